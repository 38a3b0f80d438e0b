"""Records on disk."""

from dataclasses import replace

import pytest

from loadtests.client import Exchange, Outcome
from loadtests.records import read_records, record, record_file
from loadtests.workloads import Prompt, Request

REQUEST = Request(7, Prompt("text", "What is 12 + 7?", 64, ("19",)), b"{}")
EXCHANGE = Exchange(
    sent=100.0,
    first_byte=100.1,
    first_token=100.2,
    first_reasoning=100.2,
    first_answer=100.5,
    last_token=101.0,
    done=101.25,
    outcome=Outcome.ANSWERED,
    answer=["1", "9"],
    usage={"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}},
)


def test_times_count_from_the_sending_and_the_sending_from_the_start():
    """One clock, two origins, both written in the field's description."""
    line = record(REQUEST, EXCHANGE, began=90.0)
    assert line.sent_seconds == 10.0
    assert line.first_answer_seconds == 0.5
    assert line.done_seconds == 1.25
    assert (line.completion_tokens, line.reasoning_tokens, line.prompt_tokens) == (5, 3, None)
    assert line.right is True


@pytest.mark.parametrize("usage", [{}, "none", {"completion_tokens": "5"}, []])
def test_odd_usage_counts_as_not_given(usage):
    """What the server did not tell as a number is not guessed."""
    line = record(REQUEST, replace(EXCHANGE, usage=usage), began=0.0)
    assert (line.completion_tokens, line.reasoning_tokens) == (None, None)


def test_records_survive_the_file(tmp_path):
    """What is written is read back, with the run it belongs to."""
    line, path = record(REQUEST, EXCHANGE, began=90.0), tmp_path / "deep" / "run.jsonl"
    with record_file(path, {"seed": 1}) as file:
        file.write(line)
    assert read_records(path) == ({"seed": 1}, [line])


def test_a_result_is_never_overwritten(tmp_path):
    """A file that exists stops the run."""
    (tmp_path / "run.jsonl").write_text("precious")
    with pytest.raises(FileExistsError), record_file(tmp_path / "run.jsonl", {}):
        pass
