"""Records on disk."""

import pytest

from loadtests.outcome import Outcome
from loadtests.prompt import Pictures
from loadtests.records import Record, read_records, record_file

RECORD = Record(
    number=7,
    kind="picture",
    step=1,
    pictures=Pictures.COLD,
    scheduled_seconds=9.5,
    sent_seconds=10.0,
    first_token_seconds=0.25,
    done_seconds=1.25,
    event_gaps_us=(10, 20),
    outcome=Outcome.ANSWERED,
    right=True,
)


def test_records_survive_the_file(tmp_path):
    """What is written is read back, with the run it belongs to."""
    path = tmp_path / "deep" / "run.jsonl"
    with record_file(path, {"seed": 1}) as file:
        file.write(RECORD)
    assert read_records(path) == ({"seed": 1}, [RECORD])


def test_a_killed_run_leaves_what_it_had(tmp_path):
    """A record is in the file when it is written, and a last line that was cut is left out."""
    path = tmp_path / "run.jsonl"
    with record_file(path, {}) as file:
        file.write(RECORD)
        whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:40])
    assert read_records(path) == ({}, [RECORD])


def test_a_result_is_never_overwritten(tmp_path):
    """A file that exists stops the run."""
    (tmp_path / "run.jsonl").write_text("precious")
    with pytest.raises(FileExistsError), record_file(tmp_path / "run.jsonl", {}):
        pass


def test_a_user_waits_from_the_time_that_was_planned():
    """What the client was late counts for the one who waits."""
    assert RECORD.lateness_seconds == 0.5
    assert RECORD.since_scheduled(RECORD.first_token_seconds) == 0.75
    assert RECORD.since_scheduled(RECORD.last_token_seconds) is None
