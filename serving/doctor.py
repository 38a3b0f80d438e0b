"""Says in one page what this machine can serve, and what to do about each thing in the way."""

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving import settings as configuration
from serving.engine import arithmetic, launcher, socket, weights
from serving.engine.build import engine_mismatch, installed_builds
from serving.engine.choice import TINY, Layout, obstacle
from serving.engine.hardware import Gpu, Machine, cpu_refusal, detect
from serving.engine.shape import PUBLISHED, readable
from serving.failure import StartError
from serving.gateway import tls
from serving.gateway.address import AddressRule
from serving.gateway.control import control_path
from serving.gateway.host import HostRule
from serving.gateway.key_terms import shown
from serving.gateway.keys import load_keys
from serving.gateway.listeners import bind
from serving.options import Settings
from serving.selection import Selection, select

State = Literal["ok", "note", "RED"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the page: a note limits what is served, a red line prevents it."""

    name: str
    state: State
    said: str
    next_step: str = ""


def run(config: Path | None, environ: Mapping[str, str]) -> int:
    """Print the page for this machine; the exit code is 1 where a line is red."""
    checks = report(config, environ, detect())
    sys.stdout.write(render(checks))
    return int(any(check.state == "RED" for check in checks))


def report(config: Path | None, environ: Mapping[str, str], machine: Machine) -> tuple[Check, ...]:
    """Check everything that a start depends on; nothing is started and nothing downloaded."""
    found = (_machine(machine), _engine_build(None), *_gpus(machine, Layout()))
    try:
        settings = configuration.load(config, environ).settings
    except StartError as error:
        return (*found, _red("settings", error))
    listeners = (
        _checked("ports", lambda: _ports(settings)),
        _checked("keys", lambda: _keys(settings)),
        _checked("TLS", lambda: _certificate(settings)),
        _checked("media", lambda: _media(settings)),
        _checked("engine.listen", lambda: _engine_address(settings)),
        _checked("control", lambda: _control_address(settings)),
    )
    try:
        selection = select(config, environ, machine)
    except StartError as error:
        return (*found, _red("model", error), *listeners)
    layout = Layout() if selection.choice.model == TINY else arithmetic.layout(selection.engine)
    return (
        _machine(machine),
        _engine_build(selection.choice.gpus),
        *_gpus(machine, layout),
        Check("model", "ok", f"{selection.entry.id}. {selection.choice.reason}"),
        _profile(selection),
        _checked("weights", lambda: _weights(selection)),
        _checked("context", lambda: _context(selection, machine)),
        *listeners,
    )


def render(checks: tuple[Check, ...]) -> str:
    """Write the checks as aligned lines, each next step under its line, and a verdict."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:<4}  {check.name:<{width}}  {check.said}")
        if check.next_step:
            lines.append(f"{'':<4}  {'':<{width}}  -> {check.next_step}")
    red = sum(check.state == "RED" for check in checks)
    verdict = f"Red lines: {red}. A start would end with the first." if red else "Ready to start."
    return "\n".join((*lines, "", verdict, ""))


def _machine(machine: Machine) -> Check:
    python = ".".join(map(str, machine.python))
    said = (
        f"{machine.system} {machine.architecture}, Python {python}, {machine.cores} cores, "
        f"{readable(machine.memory_bytes)} of memory"
    )
    refusal = None if machine.gpus else cpu_refusal(machine)
    return Check("machine", "RED" if refusal else "ok", said, refusal or "")


def _gpus(machine: Machine, layout: Layout) -> tuple[Check, ...]:
    if machine.gpu_problem:
        step = "Run nvidia-smi yourself; often the driver has to be installed again."
        return (Check("GPU", "RED", machine.gpu_problem, step),)
    if not machine.gpus:
        return (Check("GPU", "note", "none found, so the real model is not served"),)
    return tuple(_gpu(gpu, layout) for gpu in machine.gpus)


def _gpu(gpu: Gpu, layout: Layout) -> Check:
    memory = f"{readable(gpu.memory_bytes)}, {readable(gpu.free_bytes)} free"
    said = f"{gpu.name}, {memory}, driver {gpu.driver}"
    smallest = min(shape.weight_bytes for shape in PUBLISHED.values())
    reason = obstacle(gpu, smallest, layout)
    return Check(f"GPU {gpu.index}", "note" if reason else "ok", said, reason or "")


def _engine_build(gpus: Sequence[Gpu] | None) -> Check:
    """Say which build is installed and, where the GPUs are chosen, whether it suits them."""
    step = "Run make serve, which sets up what is missing."
    if importlib.util.find_spec("vllm") is None:
        return Check("engine", "RED", "vLLM is not installed in this environment", step)
    builds = installed_builds()
    if gpus is not None and (mismatch := engine_mismatch(gpus, builds)):
        return Check("engine", "RED", mismatch, "Run make serve, which sets up the other one.")
    said = " and ".join(f"{name} {version}" for name, version in builds.items())
    return Check("engine", "ok", f"{said or 'vLLM'} is installed")


def _profile(selection: Selection) -> Check:
    name = selection.engine.profile
    if selection.is_exact:
        return Check("profile", "ok", name)
    step = "Compare the values with `serving settings`, and change them where you know better."
    return Check("profile", "note", f"{name}, the nearest: this GPU has none of its own", step)


def _weights(selection: Selection) -> Check:
    plan = weights.plan(selection.engine.model, selection.engine.revision, offline=False)
    if not plan.commit:
        return Check("weights", "ok", f"complete in {plan.folder}")
    size, free = weights.gb(plan.download_bytes), weights.gb(plan.free_bytes)
    return Check("weights", "ok", f"{size} to download into {plan.folder} ({free} free)")


def _context(selection: Selection, machine: Machine) -> Check:
    engine = selection.engine
    folder = weights.local_folder(engine.model)
    shape = arithmetic.read_shape(folder) if folder else arithmetic.known_shape(engine.model)
    if shape is None:
        return Check("context", "note", "known once the model is downloaded")
    gpus = selection.choice.gpus or machine.gpus
    launch = launcher.prepare(selection.loaded.settings, gpus, folder)
    memory_bytes = gpus[0].memory_bytes if gpus else machine.memory_bytes
    length = arithmetic.context(launch.engine, shape, memory_bytes)
    cached = arithmetic.kv_cache_tokens(launch.engine, shape, memory_bytes)
    said = f"{length:,} tokens of one request; the KV cache holds {cached:,}"
    return Check("context", "ok", said)


def _ports(settings: Settings) -> Check:
    listeners = bind(settings.gateway)
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return Check("ports", "ok", f"{' and '.join(ports)} on {settings.gateway.host} are free")


def _keys(settings: Settings) -> Check:
    with contextlib.closing(load_keys(settings)) as ring:
        needed, count = ring.needed, ring.count_live()
    if needed and not count:
        step = "Make one with `serving keys create NAME`."
        return Check("keys", "note", "needed, and none is there that works", step)
    said = f"{count} set" if needed else f"none needed: only {settings.gateway.host} is served"
    return Check("keys", "ok", said)


def _certificate(settings: Settings) -> Check:
    pair = tls.Pair.read(settings.gateway)
    if pair is None:
        return Check("TLS", "ok", "off, the API port speaks http")
    if pair.expires_at <= time.time():
        step = "Renew it; a running gateway reads it again by itself."
        return Check("TLS", "note", f"the certificate ended {shown(pair.expires_at)}", step)
    names = ", ".join(pair.names) or "no name"
    return Check("TLS", "ok", f"certificate for {names}, until {shown(pair.expires_at)}")


def _media(settings: Settings) -> Check:
    domains, networks = settings.gateway.media_domains, settings.gateway.media_private_networks
    HostRule(domains)
    AddressRule(networks)
    private = f", also in {', '.join(networks)}" if networks else ""
    return Check("media", "ok", f"from {', '.join(domains) or 'any public host'}{private}")


def _control_address(settings: Settings) -> Check:
    path = control_path(settings)
    os.close(socket.take(path, socket.GATEWAY))
    return Check("control", "ok", f"{path} is free, for `serving drain`")


def _engine_address(settings: Settings) -> Check:
    address = socket.parse(settings.engine.listen)
    if isinstance(address, Path):
        os.close(socket.take(address))
    else:
        socket.require_free(*address)
    return Check("engine.listen", "ok", f"{settings.engine.listen} is free")


def _checked(name: str, check: Callable[[], Check]) -> Check:
    """Run a check that a start makes as well; what would end the start is a red line."""
    try:
        return check()
    except StartError as error:
        return _red(name, error)


def _red(name: str, error: StartError) -> Check:
    return Check(name, "RED", error.what, error.next_step)
