"""The restricted Pod Security Standard, as the API server holds pods to it."""

from collections.abc import Iterator
from typing import Any, Final

from tests.helm.rendering import Json

# Those of volumes; `image` is one of them since Kubernetes 1.33.
VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
OF_THE_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
PROFILES: Final = ("RuntimeDefault", "Localhost")
SELINUX_TYPES: Final = (
    None,
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
)
PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(pod: Json) -> Iterator[str]:
    """Yield what of a PodSpec the restricted level refuses, and where."""
    whole = pod.get("securityContext", {})
    yield from (f"{field} is set" for field in OF_THE_HOST if pod.get(field))
    yield from (f"sysctl {each['name']}" for each in whole.get("sysctls", ()))
    yield from _common(whole, "pod")
    for volume in pod.get("volumes", ()):
        yield from (f"volume of {kind}" for kind in volume.keys() - {"name"} - VOLUMES)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, ()):
            yield from _of_container(container, whole)


def _of_container(container: Json, whole: Json) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    yield from _common(own, name)
    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may gain privileges"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield f"{name} keeps capabilities"
    yield from (
        f"{name} adds {each}" for each in capabilities.get("add", ()) if each != "NET_BIND_SERVICE"
    )
    if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
        yield f"{name} may run as root"
    if own.get("seccompProfile", whole.get("seccompProfile", {})).get("type") not in PROFILES:
        yield f"{name} has no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield f"{name} unmasks /proc"
    yield from (
        f"{name} takes a port of the host"
        for each in container.get("ports", ())
        if each.get("hostPort")
    )
    yield from (f"{name} has a {what} of another host" for what, host in _hosts(container) if host)


def _common(context: Json, where: str) -> Iterator[str]:
    """Yield what neither a pod nor a container may say."""
    if context.get("runAsUser") == 0:
        yield f"{where} runs as root"
    if context.get("runAsNonRoot") is False:
        yield f"{where} allows root"
    if context.get("seccompProfile", {}).get("type", PROFILES[0]) not in PROFILES:
        yield f"{where} is unconfined"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{where} is a process of the host"
    if context.get("appArmorProfile", {}).get("type", PROFILES[0]) not in PROFILES:
        yield f"{where} has no AppArmor profile"
    options = context.get("seLinuxOptions", {})
    if options.get("type") not in SELINUX_TYPES or options.get("user") or options.get("role"):
        yield f"{where} has SELinux options"


def _hosts(container: Json) -> Iterator[tuple[str, Any]]:
    """Yield the hosts that probes and hooks name, which would be asked by the node."""
    handlers = [(name, container.get(name, {})) for name in PROBES]
    handlers += list(container.get("lifecycle", {}).items())
    for name, handler in handlers:
        for action in ("httpGet", "tcpSocket"):
            yield name, handler.get(action, {}).get("host")
