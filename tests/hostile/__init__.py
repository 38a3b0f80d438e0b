"""Hostile requests, the same for the same seed: pictures, videos, URLs and bodies that want harm.

    for case in corpus(seed=7, count=200, decoys=decoys):
        answer = post("/v1/chat/completions", case.body)
        assert case.judge(answer.status, answer.error_code) is None

Every case is refused with a 4xx and one of its codes, or, where `may_pass`, served. No URL leads
out of this machine: they name the decoys of `tests.hostile.decoys`, or addresses that no gateway
may connect to.
"""

from tests.hostile.case import Case
from tests.hostile.corpus import corpus
from tests.hostile.decoys import Decoys

__all__ = ["Case", "Decoys", "corpus"]
