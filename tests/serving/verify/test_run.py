"""The command as it is run: its lines, its report, and the exit code that scripts go by."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from serving.verify.checks import all_checks
from serving.verify.report import Result, Verdict
from serving.verify.run import verify
from tests.serving.verify.deployment import KEY, MODEL, Asked, Deployment, Refusal, Said

Judge = Callable[..., list[Result]]


class WithKey(Deployment):
    key = KEY


class Instruct(Deployment):
    model = "Qwen/Qwen3-VL-8B-Instruct"

    def say(self, asked: Asked) -> Said:
        return replace(super().say(asked), thought="")


class Starting(Deployment):
    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        raise Refusal(503, "engine_unavailable", "not ready")


class Stranger(Deployment):
    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        return web.Response(text="It works!")


class Costless(Deployment):
    def usage(self, dialect: str, said: Said) -> dict[str, Any]:
        return super().usage(dialect, said) | {"cost": None}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file with a remark and the key, as the gateway's own."""
    file = tmp_path / "keys"
    file.write_text(f"# operators\n\n{KEY}\nother\n")
    return file


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    """Return where the report goes."""
    return tmp_path / "report.json"


def test_a_good_deployment_passes(json_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0; a line for each check, then the summary; the same in the report."""
    with Deployment() as deployment:
        assert verify(f"{deployment.url}/v1/", json_file=json_file) == 0
    first, *lines, summary = capsys.readouterr().out.splitlines()
    report = json.loads(json_file.read_text())
    assert first == f"{deployment.url} serves {MODEL}"
    assert len(lines) == len(report["checks"]) == len(all_checks())
    assert report["url"] == deployment.url
    assert report["model"] == MODEL
    assert report["passed"] is True
    assert report["counts"] == {"ok": len(lines) - 1, "FAILED": 0, "skipped": 1}
    assert f"{len(lines) - 1} ok, 0 FAILED, 1 skipped" in summary
    for line, check in zip(lines, report["checks"], strict=True):
        assert set(check) == {"name", "expected", "seen", "verdict", "seconds"}
        assert line.startswith(check["verdict"])
        assert check["name"] in line
        assert check["seen"] in line


def test_names_are_told_apart() -> None:
    """A check is found by its name."""
    names = [check.name for check in all_checks()]
    assert len(set(names)) == len(names)


def test_a_failed_check_is_exit_code_1(json_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what was expected and what was seen."""
    with Costless() as deployment:
        assert verify(deployment.url, json_file=json_file) == 1
    out = capsys.readouterr().out
    [line] = [each for each in out.splitlines() if "openrouter: stream" in each]
    assert line.startswith("FAILED")
    assert "expected 19, details" in line
    assert "seen usage.cost None" in line
    assert json.loads(json_file.read_text())["passed"] is False


def test_the_key_goes_along_in_every_dialect(key_file: Path) -> None:
    """A deployment with keys passes, its refusal of others included."""
    with WithKey() as deployment:
        assert verify(deployment.url, key_file=key_file) == 0


def test_a_wrong_key_is_told_by_the_check(judge: Judge) -> None:
    """With a key nothing is skipped."""
    with WithKey() as deployment:
        assert {result.verdict for result in judge(deployment)} == {Verdict.OK}


def test_a_model_that_does_not_think_is_not_asked_for_thoughts(judge: Judge) -> None:
    """All that is about thoughts alone is skipped, the rest passes."""
    with Instruct() as deployment:
        results = judge(deployment)
    assert {r.name: r.seen for r in results if r.verdict is not Verdict.OK} == {
        "endpoint: wrong key": "no key was given, and this deployment lets everybody in",
    } | dict.fromkeys(
        (
            "chat: thinking budget",
            "refused: budget without room",
            "openrouter: hidden thought",
            "messages: thinking",
        ),
        "Qwen/Qwen3-VL-8B-Instruct does not think",
    )


def test_a_network_opened_on_purpose_is_skipped(
    json_file: Path,
) -> None:
    """Only the address within it is not tried."""
    with Deployment() as deployment:
        assert verify(deployment.url, json_file=json_file, private_networks=["127.0.0.0/8"]) == 0
    checks = json.loads(json_file.read_text())["checks"]
    skipped = [check["name"] for check in checks if check["verdict"] == "skipped"]
    assert skipped == ["endpoint: wrong key", "not fetched: 127.0.0.1"]


def test_no_endpoint_is_exit_code_2(json_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says where nobody answers; an old report is not left to be read as new."""
    json_file.write_text('{"passed": true}')
    with socket.create_server(("127.0.0.1", 0)) as closing:
        url = f"http://127.0.0.1:{closing.getsockname()[1]}"
    assert verify(url, json_file=json_file) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [sentence] = said.err.splitlines()
    assert sentence.startswith(f"Cannot verify: No endpoint answers at {url} (")
    assert json_file.read_text() == ""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param(WithKey, "refuses the key (401)", id="no key given"),
        pytest.param(Starting, "503", id="not ready"),
        pytest.param(Stranger, "names no model", id="something else"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_exit_code_2(
    kind: type[Deployment], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says what it answers instead."""
    with kind() as deployment:
        assert verify(deployment.url) == 2
    [sentence] = capsys.readouterr().err.splitlines()
    assert said in sentence


def test_a_model_that_is_not_there_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names it."""
    with Deployment() as deployment:
        assert verify(deployment.url, model="gpt-9") == 2
    assert "names no model gpt-9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"url": "localhost:8000"}, "is no address", id="address"),
        pytest.param({"key_file": Path("/nowhere/key")}, "/nowhere/key", id="key file"),
        pytest.param({"json_file": Path("/nowhere/r.json")}, "/nowhere/r.json", id="report"),
        pytest.param({"private_networks": ["10.0.0.1/8"]}, "10.0.0.1/8", id="network"),
    ],
)
def test_a_bad_option_is_exit_code_2(
    options: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked before all options are understood."""
    assert verify(**{"url": "http://127.0.0.1:1", **options}) == 2
    [sentence] = capsys.readouterr().err.splitlines()
    assert said in sentence


def test_an_empty_key_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of remarks alone is a mistake, not a deployment without keys."""
    file = tmp_path / "keys"
    file.write_text("# none\n")
    assert verify("http://127.0.0.1:1", key_file=file) == 2
    assert "holds no key" in capsys.readouterr().err
