"""Each fault of a deployment is caught by the checks that are about it, and by no other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from serving.verify.checks import all_checks
from serving.verify.report import Result, Verdict
from serving.verify.run import Limits
from tests.serving.verify.deployment import (
    KEY,
    MAX_PICTURES,
    OPENROUTER,
    Asked,
    Deployment,
    Refusal,
    Said,
)

Judge = Callable[..., list[Result]]

SUM_CHECKS = {
    "endpoint: hang up", "chat: streamed equals whole", "chat: thought apart", "chat: history",
    "openrouter: answer", "openrouter: stream", "openrouter: hidden thought",
    "responses: answer", "responses: stream",
    "messages: answer", "messages: thinking", "messages: stream",
}  # fmt: skip
PICTURE_CHECKS = {check.name for check in all_checks() if check.name.startswith("picture: ")}
ADDRESS_CHECKS = {check.name for check in all_checks() if check.name.startswith("not fetched: ")}


class WrongSums(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        return replace(said, content="20") if said.content == "19" else said


class LeaksTags(Deployment):
    def chat(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        leaked = f"{said.thought}</think>\n\n{said.content}"
        whole = super().chat(dialect, body, said)
        if "thinking_token" not in body and body["messages"][-1]["content"] == "What is 12 + 7?":
            whole["choices"][0]["message"]["content"] = leaked
        return whole


class ThoughtInContent(Deployment):
    def chat(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        whole = super().chat(dialect, body, said)
        if len(body["messages"]) == 1 and not {"reasoning", "stop"} & set(body):
            message = whole["choices"][0]["message"]
            message["content"] = f"{said.thought}\n\n{said.content}"
        return whole


class NoThought(Deployment):
    def thought_fields(self, dialect: str, body: dict[str, Any], thought: str) -> dict[str, Any]:
        return {}


class AliasDiffers(Deployment):
    def thought_fields(self, dialect: str, body: dict[str, Any], thought: str) -> dict[str, Any]:
        fields = super().thought_fields(dialect, body, thought)
        return fields | ({"reasoning_content": "else"} if fields else {})


class MiscountsTotal(Deployment):
    def usage(self, dialect: str, said: Said) -> dict[str, Any]:
        usage = super().usage(dialect, said)
        return usage | {"total_tokens": usage["total_tokens"] + 1}


class CountsNoThought(Deployment):
    def usage(self, dialect: str, said: Said) -> dict[str, Any]:
        return super().usage(dialect, said) | {"completion_tokens_details": None}


class StreamLosesALetter(Deployment):
    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        return super().chat_events(dialect, body, replace(said, thought=said.thought[:-1]))


class StreamCountsOtherwise(Deployment):
    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        return super().chat_events(dialect, body, replace(said, prompt_tokens=21))


class StreamWithoutEnd(Deployment):
    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        events = super().chat_events(dialect, body, said)
        return (event for event in events if event != "[DONE]")


class StreamBreaksOff(Deployment):
    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        yield from itertools.islice(super().chat_events(dialect, body, said), 3)
        yield {"error": {"message": "the engine is gone"}}


class CountsUnasked(Deployment):
    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        asked = {**body, "stream_options": {"include_usage": True}}
        return super().chat_events(dialect, asked, said)


class IgnoresBudget(Deployment):
    def say(self, asked: Asked) -> Said:
        body = {**asked.body, "reasoning": None}
        return super().say(replace(asked, body=body))


class HidesBudgetHit(Deployment):
    def say(self, asked: Asked) -> Said:
        return replace(super().say(asked), budget_hit=False)


class EmptyWhenSmall(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        return replace(said, content="") if asked.body.get("max_tokens", 99) < 60 else said


class StopsTheThought(Deployment):
    def stopped(self, said: Said, stops: list[str]) -> Said:
        for stop in stops:
            if stop in said.thought:
                return replace(said, thought=said.thought.partition(stop)[0], content="")
        return said


class IgnoresStop(Deployment):
    def stopped(self, said: Said, stops: list[str]) -> Said:
        return said


class ColourBlind(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        return replace(said, content="grey") if asked.pictures else said


class NamesEveryColour(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        every = "red green blue yellow"
        return replace(said, content=every) if said.content in every.split() else said


class OtherCity(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        return replace(said, call=("get_weather", {"city": "Rome"})) if said.call else said


class NeverCalls(Deployment):
    def say(self, asked: Asked) -> Said:
        said = super().say(asked)
        return Said("Hm.", "It is sunny.") if said.call else said


class SchemaIgnored(Deployment):
    def say(self, asked: Asked) -> Said:
        body = {n: v for n, v in asked.body.items() if n != "response_format"}
        return super().say(replace(asked, body=body))


class TakesEveryField(Deployment):
    def check_fields(self, dialect: str, body: dict[str, Any]) -> None:
        super().check_fields(OPENROUTER, body)


class TakesManyPictures(Deployment):
    def check(self, dialect: str, path: str, body: dict[str, Any]) -> None:
        asked = self.asked(body)
        if len(asked.pictures) <= MAX_PICTURES:
            super().check(dialect, path, body)


class FetchesAnything(Deployment):
    def check_picture(self, url: str) -> None:
        if url.startswith("http"):
            raise Refusal(400, "invalid_image_url", "could not be reached")
        super().check_picture(url)


class FormlessErrors(Deployment):
    def envelope(self, dialect: str, refusal: Refusal) -> dict[str, Any]:
        return {"detail": refusal.message}


class CrashesOnEmptiness(Deployment):
    def asked(self, body: dict[str, Any]) -> Asked:
        if body.get("messages") == []:
            raise Refusal(500, "internal_error")
        return super().asked(body)


class OneEnvelope(Deployment):
    def envelope(self, dialect: str, refusal: Refusal) -> dict[str, Any]:
        return super().envelope("openai", refusal)


class FreeOfCharge(Deployment):
    def usage(self, dialect: str, said: Said) -> dict[str, Any]:
        return super().usage(dialect, said) | {"cost": None}


class ShowsWhatIsHidden(Deployment):
    def thought_fields(self, dialect: str, body: dict[str, Any], thought: str) -> dict[str, Any]:
        return super().thought_fields(dialect, {}, thought)


class NoDetails(Deployment):
    def thought_fields(self, dialect: str, body: dict[str, Any], thought: str) -> dict[str, Any]:
        return super().thought_fields("openai", body, thought)


class OpenAIIds(Deployment):
    def frame(self, dialect: str) -> dict[str, Any]:
        return super().frame(dialect) | {"id": "chatcmpl-1"}


class PricelessCard(Deployment):
    def card(self, dialect: str) -> dict[str, Any]:
        return super().card("openai")


class CountsAnew(Deployment):
    def generation(self, identity: str) -> dict[str, Any]:
        told = super().generation(identity)
        return told | {"native_tokens_completion": told["native_tokens_completion"] + 1}


class HasNoFigures(Deployment):
    def endpoints(self) -> list[dict[str, Any]]:
        return [{"status": 0}]


class NeverReady(Deployment):
    def endpoints(self) -> list[dict[str, Any]]:
        return [endpoint | {"status": -1} for endpoint in super().endpoints()]


class KeepsState(Deployment):
    def check(self, dialect: str, path: str, body: dict[str, Any]) -> None:
        super().check(dialect, path, {k: v for k, v in body.items() if "previous" not in k})


class LosesADelta(Deployment):
    def response_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        for event in super().response_events(dialect, body, said):
            if event.get("delta") != "9":
                yield event


class NumbersBackwards(Deployment):
    def response_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        for event in super().response_events(dialect, body, said):
            yield event | {"sequence_number": -event["sequence_number"]}


class ThinksUnasked(Deployment):
    def message(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        return super().message(dialect, body | {"thinking": {}}, said)


class MiscountsBeforehand(Deployment):
    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        if path == "messages/count_tokens":
            return web.json_response({"input_tokens": 19})
        return await super().route(request, dialect, path)


class BlockLeftOpen(Deployment):
    def message_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        for event in super().message_events(dialect, body, said):
            if event["type"] != "content_block_stop":
                yield event


class NoDescription(Deployment):
    def page(self, path: str, dialect: str) -> web.Response:
        return super().page(path.removesuffix("api.json"), dialect)


class DocsFromElsewhere(Deployment):
    def page(self, path: str, dialect: str) -> web.Response:
        if path == "/docs":
            text = '<html><script src="https://cdn.example/ui.js"></script>'
            return web.Response(text=text, content_type="text/html")
        return super().page(path, dialect)


class CardLost(Deployment):
    def page(self, path: str, dialect: str) -> web.Response:
        return super().page(path.removesuffix("tiny-qwen3-vl"), dialect)


class EveryKeyFits(Deployment):
    key = KEY

    def admit(self, request: web.Request) -> None:
        """Let everybody in."""


FAULTS = {
    WrongSums: SUM_CHECKS,
    LeaksTags: {
        "endpoint: hang up", "chat: streamed equals whole", "chat: thought apart",
        "chat: usage sums", "chat: small max_tokens", "chat: stop", "chat: history",
        "openrouter: answer", "openrouter: hidden thought",
    },
    ThoughtInContent: {"chat: thought apart", "schema: picture as JSON"},
    NoThought: {
        "chat: thought apart", "chat: stop", "openrouter: answer", "openrouter: stream",
    },
    AliasDiffers: {"chat: thought apart"},
    MiscountsTotal: {"chat: usage sums"},
    CountsNoThought: {
        "chat: usage sums", "chat: thinking budget", "openrouter: hidden thought",
    },
    StreamLosesALetter: {"chat: streamed equals whole"},
    StreamCountsOtherwise: {"chat: streamed equals whole"},
    StreamWithoutEnd: {
        "chat: streamed equals whole", "chat: usage of a stream", "tools: forced call, streamed",
        "openrouter: stream",
    },
    StreamBreaksOff: {
        "endpoint: first answer token", "chat: streamed equals whole", "chat: usage of a stream",
        "tools: forced call, streamed", "openrouter: stream",
    },
    CountsUnasked: {"chat: usage of a stream"},
    IgnoresBudget: {"chat: thinking budget"},
    HidesBudgetHit: {"chat: thinking budget"},
    EmptyWhenSmall: {"chat: small max_tokens"},
    StopsTheThought: {"chat: stop"},
    IgnoresStop: {"chat: stop"},
    ColourBlind: PICTURE_CHECKS | {"schema: picture as JSON", "messages: counted picture"},
    NamesEveryColour: {name for name in PICTURE_CHECKS if "colour" in name}
    | {"messages: counted picture"},
    OtherCity: {
        "tools: call", "tools: forced call, streamed", "tools: answer after the result",
        "responses: tool call", "messages: tool call",
    },
    NeverCalls: {
        "tools: call", "tools: forced call, streamed", "tools: answer after the result",
        "responses: tool call", "messages: tool call",
    },
    SchemaIgnored: {"schema: picture as JSON"},
    TakesEveryField: {"refused: unknown parameter"},
    TakesManyPictures: {"refused: too many pictures"},
    FetchesAnything: ADDRESS_CHECKS,
    FormlessErrors: {name for name in (c.name for c in all_checks()) if name.startswith("refused")}
    | ADDRESS_CHECKS
    | {"openrouter: error", "responses: no state", "messages: error"},
    CrashesOnEmptiness: {"refused: empty messages"},
    OneEnvelope: {"openrouter: error", "messages: error"},
    FreeOfCharge: {"openrouter: answer", "openrouter: stream", "openrouter: generation"},
    ShowsWhatIsHidden: {"openrouter: hidden thought"},
    NoDetails: {"openrouter: answer", "openrouter: stream"},
    OpenAIIds: {"openrouter: answer", "openrouter: stream"},
    PricelessCard: {"openrouter: models"},
    CountsAnew: {"openrouter: generation"},
    HasNoFigures: {"openrouter: endpoints"},
    NeverReady: {"openrouter: endpoints"},
    KeepsState: {"responses: no state"},
    LosesADelta: {"responses: stream"},
    NumbersBackwards: {"responses: stream"},
    ThinksUnasked: {"messages: answer", "messages: counted picture"},
    MiscountsBeforehand: {"messages: counted picture"},
    BlockLeftOpen: {"messages: stream"},
    NoDescription: {"endpoint: description"},
    DocsFromElsewhere: {"endpoint: description"},
    CardLost: {"endpoint: models"},
    EveryKeyFits: {"endpoint: wrong key"},
}  # fmt: skip


def failed(results: list[Result]) -> set[str]:
    return {result.name for result in results if result.verdict is Verdict.FAILED}


@pytest.mark.parametrize(
    ("fault", "caught_by"), [pytest.param(f, names, id=f.__name__) for f, names in FAULTS.items()]
)
def test_a_fault_fails_its_own_checks(
    judge: Judge, fault: type[Deployment], caught_by: set[str]
) -> None:
    """One thing is wrong, and exactly the checks that look at it say so."""
    with fault() as deployment:
        assert failed(judge(deployment)) == caught_by


def test_every_check_can_fail() -> None:
    """No check is there for show: for each there is a fault that it catches."""
    assert {check.name for check in all_checks()} == set().union(*FAULTS.values())


class KeepsNoUsage(Deployment):
    """Says why it cannot tell, after as many words as the real one has."""

    def generation(self, identity: str) -> dict[str, Any]:
        raise Refusal(404, "usage_not_kept", "no " * 100)


def test_what_is_not_kept_is_not_judged(judge: Judge) -> None:
    """A deployment may do without a ledger."""
    with KeepsNoUsage() as deployment:
        results = judge(deployment)
    assert failed(results) == set()
    [one] = [result for result in results if result.name == "openrouter: generation"]
    assert (one.verdict, one.seen) == (Verdict.SKIPPED, "this deployment keeps no usage")


class HangsOnTools(Deployment):
    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        if b'"tools"' in await request.read():
            await asyncio.Event().wait()
        return await super().route(request, dialect, path)


class HeldUpByTheGone(Deployment):
    """Once streams were left, does not answer the next request."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = False

    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        leaves = b"Count aloud to 90." in await request.read()
        self.gone, held_up = leaves, self.gone and not leaves
        if held_up:
            await asyncio.Event().wait()
        return await super().route(request, dialect, path)


@pytest.mark.parametrize(
    ("fault", "caught_by"),
    [
        pytest.param(HangsOnTools, FAULTS[OtherCity], id="on tools"),
        pytest.param(HeldUpByTheGone, {"endpoint: hang up"}, id="after streams were left"),
    ],
)
def test_what_hangs_is_given_up(judge: Judge, fault: type[Deployment], caught_by: set[str]) -> None:
    """A check that gets no answer fails at its limit; the others are not held up."""
    with fault() as deployment:
        results = judge(deployment, Limits(check_seconds=4, run_seconds=600))
    hung = [result for result in results if result.verdict is Verdict.FAILED]
    assert {result.name for result in hung} == caught_by
    assert {result.seen for result in hung} == {"not done within 4.0 s"}


def test_the_whole_run_has_an_end(judge: Judge) -> None:
    """Checks that the run's limit leaves no time for fail without being made."""
    with Deployment() as deployment:
        results = judge(deployment, Limits(check_seconds=1, run_seconds=0))
    seen = {r.seen for r in results if r.verdict is Verdict.FAILED}
    assert seen == {"not asked any more: the whole run was over its time"}
    assert {r.verdict for r in results if r.name != "endpoint: wrong key"} == {Verdict.FAILED}


class Vanishes(Deployment):
    """Closes the connection without a word."""

    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        if path == "responses" and request.transport is not None:
            request.transport.abort()
        return await super().route(request, dialect, path)


def test_a_broken_connection_fails_its_checks_only(judge: Judge) -> None:
    """The run goes on where one answer never comes."""
    with Vanishes() as deployment:
        names = failed(judge(deployment))
    assert names == {n for n in (c.name for c in all_checks()) if n.startswith("responses: ")}


class Rambles(Deployment):
    """Answers lists where objects belong."""

    def chat(self, dialect: str, body: dict[str, Any], said: Said) -> Any:
        return {"choices": [{"message": [1], "finish_reason": "stop"}], "usage": [2]}


def test_an_answer_of_no_known_form_is_a_failure(judge: Judge) -> None:
    """Nothing that an endpoint says ends the run."""
    with Rambles() as deployment:
        results = judge(deployment)
    assert "chat: thought apart" in failed(results)
    assert len(results) == len(all_checks())
