"""The cases that every client runs: what the engine plays, who asks, and for how long."""

from dataclasses import dataclass

from deploy.benchmarks.load_clients.scripts import Script


@dataclass(frozen=True, slots=True)
class Case:
    """One run; see `Order` for what ends it."""

    name: str
    script: Script
    streams: int
    requests: int
    seconds: int
    by_time: bool = False


# Twenty streams of an event each 10 ms: how true are the times?
PACED = Case("paced", Script(), 20, 60, 12)
# Four thousand events a second, for a short and a long time: what the longer run costs more, it
# costs for its events. They come one by one, as an engine sends them: a flood is cheaper to read.
FEW = Case("few", Script(), 40, 40, 4)
MANY = Case("many", Script(), 40, 200, 19)
# A quarter of the requests fail.
FAILING = Case(
    "failing",
    Script(10, 10, first_seconds=0.02, gap_seconds=0.002, stall_seconds=0.01, failing=True),
    *(10, 100, 4),
)
# Each thought fills max_tokens, and no answer comes.
SILENT = Case(
    "silent",
    Script(20, 0, first_seconds=0.02, gap_seconds=0.002, stall_seconds=0.01),
    *(10, 40, 4),
)
# The run ends while streams are open.
UNFINISHED = Case(
    "unfinished",
    Script(20, 10, first_seconds=0.2, gap_seconds=0.1, stall_seconds=0.1),
    *(10, 25, 5),
    by_time=True,
)
