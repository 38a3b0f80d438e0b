"""The admin port before an engine that comes, goes and hangs."""

import asyncio

import pytest
from prometheus_client import generate_latest

from serving.gateway.admin import Admin
from serving.gateway.metrics import GatewayMetrics


def statuses(gateway) -> dict[str, int]:
    """Return what the probes say."""
    return {
        name: gateway.admin(f"/{name}").status
        for name in ("healthz", "startupz", "readyz", "livez")
    }


def test_probes_follow_the_engine(engine, start_gateway):
    """Each probe answers its own question, before the engine comes and after it went."""
    engine.stop()
    gateway = start_gateway()
    assert statuses(gateway) == {"healthz": 200, "startupz": 503, "readyz": 503, "livez": 200}
    engine.start()
    gateway.wait_ready()
    assert statuses(gateway) == {"healthz": 200, "startupz": 200, "readyz": 200, "livez": 200}
    engine.stop()
    gateway.wait_ready(False)
    assert statuses(gateway) == {"healthz": 200, "startupz": 503, "readyz": 503, "livez": 200}


def test_a_hung_engine_fails_livez(engine, start_gateway, wait_for):
    """Requests without progress are what the watchdog is for."""
    gateway = start_gateway(watchdog_seconds=1)
    engine.metrics.update(running=1, iterations=7)
    gateway.wait_ready()
    wait_for(lambda: gateway.admin("/livez").status == 503)
    assert gateway.admin("/healthz").status == 200


def test_probes_say_why(engine, start_gateway, wait_for):
    """The body of a failing probe is its reason, that of a passing one is ok."""
    engine.stop()
    gateway = start_gateway()
    assert gateway.admin("/readyz").body == b"the engine was not ready yet\n"
    assert gateway.admin("/startupz").body == b"the engine was not ready yet\n"
    assert gateway.admin("/livez").body == gateway.admin("/healthz").body == b"ok\n"
    engine.start()
    gateway.wait_ready()
    assert gateway.admin("/readyz").body == b"ok\n"
    engine.stop()
    wait_for(lambda: gateway.admin("/readyz").body == b"the engine does not answer\n")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/metrics"])
def test_head_is_get_without_the_body(gateway, path):
    """Status and headers are the same."""
    shown, head = gateway.admin(path), gateway.request("HEAD", path, admin=True)
    assert (head.status, head.body) == (shown.status, b"")
    assert head.headers["content-type"] == shown.headers["content-type"]


def kinds(page: bytes) -> list[bytes]:
    """Return the lines that say which metrics are on a page."""
    return [line for line in bytes(page).splitlines() if line.startswith(b"# TYPE ")]


def test_a_scrape_lets_streams_go_on():
    """The page is written family by family; it is the library's own, without moments of making."""
    metrics = GatewayMetrics()
    metrics.requests.expect(["chat_completions"])
    admin = Admin(None, None, metrics, lambda: None)
    page, turns = bytearray(), 0

    async def send(message):
        page.extend(message.get("body", b""))

    async def scraped():
        nonlocal turns
        scope = {"http_version": "1.0", "method": "GET", "path": "/metrics", "headers": []}
        scope |= {"raw_path": b"/metrics", "query_string": b""}
        scrape = asyncio.create_task(admin(scope, None, send))
        while not scrape.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(scraped())
    types = kinds(generate_latest(metrics.registry))
    assert kinds(page) == [line for line in types if b"_created " not in line]
    assert turns >= len(kinds(page))


def test_engine_metrics_are_relayed(engine, start_gateway):
    """The engine has no port of its own."""
    gateway = start_gateway()
    answer = gateway.admin("/engine/metrics")
    assert answer.status == 200
    assert b"vllm:num_requests_running" in answer.body
    engine.stop()
    assert gateway.admin("/engine/metrics").status == 503


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/models", 404), ("POST", "/metrics", 405)]
)
def test_the_admin_port_serves_nothing_else(gateway, method, path, status):
    """No API here."""
    assert gateway.request(method, path, admin=True).status == status


def test_each_app_has_metrics_of_its_own(engine, start_gateway, wait_for):
    """Two gateways in one process do not count each other's requests."""
    first, second = start_gateway(), start_gateway()
    first.request("GET", "/v1/models")
    line = 'gateway_requests_total{outcome="ok",route="models"}'
    wait_for(lambda: first.metric(line) == 1)
    assert second.metric(line) == 0
