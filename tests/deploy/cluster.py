"""A small API server of Kubernetes: it answers what is read, in the published form, and notes it.

Only reading is known to it. Whatever else arrives is answered 405, and stands in `asked`.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.helm.rendering import find_program

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object, and where it is read."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def root(self) -> str:
        """Return the path of its group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def discovered(self) -> Json:
        """Return how discovery names it."""
        return {
            "resource": self.plural,
            "responseKind": {"group": self.group, "version": self.version, "kind": self.kind},
            "scope": "Namespaced" if self.namespaced else "Cluster",
            "singularResource": self.kind.lower(),
            "verbs": ["get", "list", "watch"],
        }


BUILT_IN = (
    Kind("", "v1", "nodes", "Node", namespaced=False),
    Kind("", "v1", "namespaces", "Namespace", namespaced=False),
    Kind("", "v1", "pods", "Pod"),
    Kind("", "v1", "secrets", "Secret"),
    Kind("", "v1", "resourcequotas", "ResourceQuota"),
    Kind("", "v1", "limitranges", "LimitRange"),
    Kind("apps", "v1", "deployments", "Deployment"),
    Kind("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False),
    Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False),
)
OPTIONAL = (
    Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
    Kind("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    Kind("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule"),
    Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
    Kind("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool"),
)


@dataclass
class Cluster:
    """What a cluster holds and serves, whom it forbids what, and what it was asked."""

    version: str = "v1.35.8"
    objects: list[Json] = field(default_factory=list)
    kinds: tuple[Kind, ...] = BUILT_IN
    forbidden: frozenset[str] = frozenset()
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def methods(self) -> set[str]:
        """Return the HTTP methods that arrived."""
        return {method for method, _, _ in self.asked}

    def answer(self, target: str, accept: str) -> tuple[int, Json]:
        """Return status and body for one GET."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path == "/version":
            major, minor = self.version.removeprefix("v").split(".")[:2]
            return 200, {"major": major, "minor": minor, "gitVersion": self.version}
        if path in ("/api", "/apis"):
            return 200, self._discovery(core=path == "/api")
        for kind in self.kinds:
            if path.startswith(kind.root + "/"):
                parts = path.removeprefix(kind.root + "/").split("/")
                namespace = parts[1] if kind.namespaced and parts[0] == "namespaces" else None
                resource, *name = parts[2:] if namespace else parts
                if resource == kind.plural and len(name) <= 1:
                    return self._read(kind, namespace, name, query, "as=Table" in accept)
        return _failure(404, "NotFound", "the server could not find the requested resource")

    def _discovery(self, *, core: bool) -> Json:
        groups: dict[str, dict[str, list[Json]]] = {}
        for kind in self.kinds:
            if core == (kind.group == ""):
                versions = groups.setdefault(kind.group, {})
                versions.setdefault(kind.version, []).append(kind.discovered())
        items = [
            {
                "metadata": {"name": group},
                "versions": [
                    {"version": version, "resources": resources, "freshness": "Current"}
                    for version, resources in versions.items()
                ],
            }
            for group, versions in groups.items()
        ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }

    def _read(
        self, kind: Kind, namespace: str | None, name: list[str], query: Json, as_table: bool
    ) -> tuple[int, Json]:
        if kind.plural in self.forbidden:
            reason = f'{kind.plural} is forbidden: User "tester" cannot list resource'
            return _failure(403, "Forbidden", reason)
        found = [o for o in self.objects if o["kind"] == kind.kind]
        if namespace:
            found = [o for o in found if o["metadata"]["namespace"] == namespace]
        if name:
            found = [o for o in found if o["metadata"]["name"] == name[0]]
            if not found:
                return _failure(404, "NotFound", f'{kind.plural} "{name[0]}" not found')
        found = [o for o in found if _is_selected(o, query)]
        if as_table:
            return 200, _table(found)
        if name:
            return 200, found[0]
        listed = {"apiVersion": found[0]["apiVersion"]} if found else {"apiVersion": kind.version}
        return 200, {"kind": f"{kind.kind}List", "metadata": {}, "items": found} | listed


def _is_selected(thing: Json, query: Mapping[str, list[str]]) -> bool:
    labels = thing["metadata"].get("labels", {})
    for wanted in query.get("labelSelector", []):
        key, _, value = wanted.partition("=")
        if labels.get(key) != value:
            return False
    for unwanted in ",".join(query.get("fieldSelector", [])).split(","):
        if unwanted and thing["status"]["phase"] == unwanted.partition("!=")[2]:
            return False
    return True


def _table(found: Iterable[Json]) -> Json:
    rows = [
        {
            "cells": [one["metadata"]["name"]],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": one["metadata"],
            },
        }
        for one in found
    ]
    columns = [{"name": "Name", "type": "string", "format": "name", "priority": 0}]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": rows,
    }


def _failure(code: int, reason: str, message: str) -> tuple[int, Json]:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return code, status | {"message": message, "reason": reason, "code": code}


class _Handler(BaseHTTPRequestHandler):
    cluster: ClassVar[Cluster]
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        accept = self.headers.get("Accept", "")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.cluster.asked.append((self.command, self.path, accept))
        code, body = self.cluster.answer(self.path, accept)
        if self.command != "GET":
            code, body = _failure(405, "MethodNotAllowed", "this server is only read")
        form = "application/json"
        if body["kind" if "kind" in body else "gitVersion"] == "APIGroupDiscoveryList":
            form += ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        # The published server indents what a person may read, and so does this one.
        data = json.dumps(body, indent=2).encode()
        self.send_response(code)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing: `asked` holds it."""


@contextmanager
def serving(cluster: Cluster) -> Iterator[Cluster]:
    """Serve a cluster on this machine while the block lasts."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return the variables under which kubectl asks a cluster and keeps its cache in a folder."""
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url}}],
        "users": [{"name": "tester", "user": {}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tester"}}],
        "current-context": "tests",
    }
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(access))
    path = os.pathsep.join([str(Path(find_program("kubectl")).parent), "/usr/bin", "/bin"])
    return {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(config)}


def dry_run(words: list[str], folder: Path) -> Json:
    """Return the object that a kubectl line would make; a dry run asks discovery alone."""
    with serving(Cluster()) as cluster:
        done = subprocess.run(
            [find_program("kubectl"), *words, "--dry-run=client", "--output=json"],
            env=environment(folder, cluster.url),
            capture_output=True,
            text=True,
            check=True,
        )
    made: Json = json.loads(done.stdout)
    return made
