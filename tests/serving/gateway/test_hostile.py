"""Requests that want harm before a running gateway: refused by name, and nobody is reached."""

from tests.fake_engine import UNARY, whole
from tests.hostile import Decoys, corpus

SEED, CASES = 20, 192


def test_hostile_requests_are_refused_by_name(engine, gateway):
    """No fault of ours, no wrong name, no connection to where none may go."""
    objections = []
    with Decoys() as decoys:
        for case in corpus(SEED, CASES, decoys):
            engine.reset()
            engine.play(whole(UNARY))
            answer = gateway.request("POST", "/v1/chat/completions", case.body)
            code = None if answer.status == 200 else answer.error["code"]
            objections.append(case.judge(answer.status, code))
        assert decoys.connections == []
    assert [each for each in objections if each] == []
    assert gateway.admin("/healthz").status == 200
