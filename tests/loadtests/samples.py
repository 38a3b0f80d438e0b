"""Records, timings and summaries of invented runs, for the tests of what is made of them."""

import msgspec

from loadtests.outcome import Outcome
from loadtests.records import Record
from loadtests.result import Certificate, Row, Summary
from loadtests.shapes import Step, StepTiming, Users
from loadtests.statistics.objectives import Objective, Objectives
from loadtests.statistics.summary import summarise, summarise_step

# Sent at 10 s; its 21 tokens come from 10.5 to 12.5 s, the answer's nine from 11 s on.
GOOD = Record(
    number=0,
    kind="text",
    step=0,
    scheduled_seconds=10.0,
    sent_seconds=10.0,
    uploaded_seconds=0.001,
    headers_seconds=0.1,
    first_byte_seconds=0.4,
    first_token_seconds=0.5,
    first_reasoning_seconds=0.5,
    first_answer_seconds=1.0,
    last_token_seconds=2.5,
    done_seconds=2.6,
    event_gaps_us=(100_000,) * 20,
    outcome=Outcome.ANSWERED,
    status=200,
    finish_reason="stop",
    model="scripted",
    prompt_tokens=9,
    completion_tokens=21,
    reasoning_tokens=12,
    cached_tokens=0,
    fragments=21,
    right=True,
)
LOST = msgspec.structs.replace(
    GOOD,
    first_token_seconds=None,
    first_reasoning_seconds=None,
    first_answer_seconds=None,
    last_token_seconds=None,
    completion_tokens=None,
    reasoning_tokens=None,
    event_gaps_us=(),
    right=None,
    status=500,
    outcome=Outcome.HTTP_ERROR,
)
VALID = Certificate(
    valid=True,
    reasons=(),
    timing_error_p50_seconds=1e-5,
    timing_error_p99_seconds=1e-4,
    timing_samples=1000,
    timing_bound_seconds=1e-3,
    send_lateness_p99_seconds=0.0,
    client_cpu_share=0.1,
    events_per_second=100.0,
    events_per_core_second=20000.0,
    round_trip_seconds=None,
    clock="kernel",
)
ANSWERED = Objective("answered", 0.99)


def change(record: Record, **fields) -> Record:
    """Return a record with other fields."""
    return msgspec.structs.replace(record, **fields)


def at(seconds: float, record: Record = GOOD, **fields) -> Record:
    """Return a record that was due and sent at a time."""
    return change(record, scheduled_seconds=seconds, sent_seconds=seconds, **fields)


def numbered(records) -> list[Record]:
    """Give records numbers in order."""
    return [change(record, number=number) for number, record in enumerate(records)]


def timing(load=None, *, index=0, counted_from=3.0, ended=33.0, **more) -> StepTiming:
    """Return a step that was played as planned, counted from 3 to 33 s."""
    step = Step(index, load or Users(4), ended, counted_from, 60.0)
    fields = {"began_seconds": 0.0, "drain_seconds": 1.0, "in_flight_at_end": 0} | more
    return StepTiming(step=step, counted_from_seconds=counted_from, ended_seconds=ended, **fields)


def asked(*objectives: Objective) -> Objectives:
    """Return objectives as if read from a file."""
    return Objectives("asked", objectives or (ANSWERED,), {"name": "asked"})


def row_of(records) -> Row:
    """Return the row of all of these, as one step of four users."""
    return summarise_step(timing(), numbered(records), asked()).all


def step_of(records, *objectives, load=None, index=0):
    """Summarise one step against objectives."""
    chosen = [change(record, step=index) for record in numbered(records)]
    return summarise_step(timing(load, index=index), chosen, asked(*objectives))


def run_of(*steps, objectives=(ANSWERED,), certificate=VALID, partial=None, **told) -> Summary:
    """Return the summary of a run with these steps."""
    return summarise(
        {"scenario": "mixed", "seed": 1} | told, certificate, asked(*objectives), steps, [], partial
    )
