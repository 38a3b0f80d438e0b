"""`serving request`: a request is found by any of its ids, and its story told."""

import json
import time
from collections.abc import Iterator

import pytest

from serving.gateway.timeline import Stage
from serving.request_command import request
from serving.store.address import default_path
from tests.serving.used import Run, ready, record, write

DAY = 86_400


@pytest.fixture(name="told")
def _told() -> Iterator[Run]:
    """Return what runs `serving request`."""
    with ready(request) as run:
        yield run


@pytest.fixture(name="stored")
def _stored() -> float:
    """Store a week of usual requests and slow ones at its end; return the time of those."""
    now = time.time() - DAY
    write(
        *(record(f"req_{number}", time=now - number * DAY / 10) for number in range(1, 60)),
        # What came before the week, or after the request, is nothing to compare with.
        *(record(f"req_{n}", time=now - 8 * DAY, stages={Stage.PREFILL: 9.0}) for n in range(100)),
        *(record(f"req_{n}", time=now + 60, stages={Stage.PREFILL: 9.0}) for n in range(100)),
        record("req_0abc", time=now, stages={Stage.PREFILL: 3.0}, user="ü-1"),
        record("mine", time=now, stages={Stage.QUEUED: 3.0}),
    )
    return now


@pytest.mark.parametrize(
    "shown", ["req_0abc", "gen-0abc", "chatcmpl-0abc", "cmpl-0abc", "resp_0abc", "msg_0abc"]
)
@pytest.mark.usefixtures("stored")
def test_any_id_of_it_will_do(told: Run, shown: str) -> None:
    """The header's, or the answer's in whichever dialect."""
    story = told(shown)
    assert story.exit_code == 0, story.stderr
    assert story.stdout.startswith("req_0abc  ok, finish reason stop\n")
    assert "Furthest above the week's median: prefill, 2,700.0 ms more" in story.stdout
    assert "(same model, no media, went well): 59." in story.stdout


@pytest.mark.parametrize("shown", ["mine", "gen-mine"])
@pytest.mark.usefixtures("stored")
def test_an_id_that_the_client_chose(told: Run, shown: str) -> None:
    """X-Request-Id is kept as it came."""
    assert "median: queued, 3,000.0 ms more" in told(shown).stdout


@pytest.mark.usefixtures("stored")
def test_json_holds_the_same(told: Run) -> None:
    """All that the record has, its parts with their medians, and the verdict."""
    story = json.loads(told("req_0abc", "--json").stdout)
    assert (story["request"]["id"], story["request"]["user"]) == ("req_0abc", "ü-1")
    assert [part["part"] for part in story["parts"]] == [stage.value for stage in Stage]
    [prefill] = [part for part in story["parts"] if part["part"] == "prefill"]
    assert (prefill["ms"], prefill["median_ms"]) == (3000.0, 300.0)
    assert (story["furthest_above_median"], story["compared_requests"]) == ("prefill", 59)
    assert story["verdict"] in told("req_0abc").stdout


@pytest.mark.usefixtures("stored")
def test_one_that_is_not_there_says_why_that_may_be(told: Run) -> None:
    """Four reasons, and two places to look; a fifth where nothing is kept."""
    missing = told("gen-nowhere", SERVING_STORE__REQUEST_DAYS="12")
    assert (missing.exit_code, missing.stdout) == (1, "")
    reasons = ("running", "refused", "older than 12 days", "another gateway's store")
    for said in (*reasons, str(default_path()), "--config", "gateway's log", "gen-nowhere"):
        assert said in missing.stderr, said
    assert "store.usage" not in missing.stderr
    assert "store.usage is off" in told("gen-nowhere", SERVING_STORE__USAGE="false").stderr


@pytest.mark.usefixtures("stored")
def test_a_keys_text_is_not_repeated(told: Run) -> None:
    """Whoever takes a key for an id does not find it in a log."""
    refused = told("sk-qwen-secret")
    assert refused.exit_code == 1
    assert "secret" not in refused.output


def test_looking_makes_no_store(told: Run) -> None:
    """It says what does."""
    refused = told("req_1")
    assert refused.exit_code == 1
    assert str(default_path()) in refused.stderr
    assert not default_path().exists()


def test_postgresql_tells_the_same(told: Run, postgres_url: str) -> None:
    """The story of the store that settings name, whichever it is."""
    write(record("req_1", stages={Stage.MEDIA: 0.25}), url=postgres_url)
    assert "250.0" in told("gen-1", SERVING_STORE__URL=postgres_url).stdout
