"""A load of its own process, which Locust may patch: plays given steps and tells what came of it.

`python tests/loadtests/lab.py PLANS` prints one JSON line for each thing that happens. As
`lab.py worker --master-host HOST --master-port PORT` it is one of the load's workers.
"""

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent
import locust
import msgspec
from gevent import monkey

from loadtests.allowance import Allowance, Prices
from loadtests.endpoint import parse_url
from loadtests.failure import LoadError
from loadtests.prompt import Prompt
from loadtests.scenario import Scenario, Served
from loadtests.shapes import Arrivals, Rate, Single, Step, Users
from loadtests.swarm.swarm import Swarm, work


def prompts(rng, served):
    """Yield prompts without end that hold their number and something drawn."""
    for number in count():
        words = {"role": "user", "content": f"{number} {rng.random()}"}
        yield Prompt("text", (words,), 16, right=lambda answer, calls: answer == "19")


def broken(rng, served):
    """Yield nothing that fits."""
    raise LoadError("Nothing fits.")
    yield


SCENARIOS = {
    "lab": Scenario("lab", "Does it work?", prompts, Single(Users(1)), seed=7),
    "broken": Scenario("broken", "Does it work?", broken, Single(Users(1)), seed=7),
}


def tell(plan, what, **rest):
    """Print one line."""
    line = {"plan": plan["name"], "what": what, **rest}
    print(json.dumps(line), flush=True)  # noqa: T201


def load_of(plan):
    """Read a load."""
    if "users" in plan:
        return Users(plan["users"])
    return Rate(plan["rate"], Arrivals(plan.get("arrivals", "poisson")), plan.get("until"))


def play_one(plan):
    """Play the steps of one plan."""
    allowance = Allowance(plan.get("most", 10_000), None, Prices(1, 1), 0.0)
    seen = []

    def listen(name, **_):
        seen.append(name)

    locust.events.request.add_listener(listen)
    swarm = Swarm(
        parse_url(plan["url"], plan.get("key")),
        SCENARIOS[plan.get("scenario", "lab")],
        Served("model", "model"),
        allowance,
        lambda record: tell(plan, "record", **msgspec.to_builtins(record)),
        workers=plan.get("workers", 0),
        bind=plan.get("bind"),
        program=(sys.executable, __file__, "worker"),
    )
    with swarm:
        tell(plan, "began", began=swarm.began, processes=processes())
        for index, each in enumerate(plan["steps"]):
            step = Step(index, load_of(each), each["seconds"], 0.1, each.get("drain", 60))
            if "held_up" in each:
                hold_up(*each["held_up"])
            timing = swarm.play(step, lambda told: tell(plan, "told", **msgspec.to_builtins(told)))
            tell(plan, "step", **msgspec.to_builtins(timing))
        if plan.get("reports"):
            tell(plan, "reports", reports=msgspec.to_builtins(swarm.reports()))
    locust.events.request.remove_listener(listen)
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    counts = {"requests": allowance.requests, "settled": allowance.settled}
    tell(plan, "end", locust=len(seen), usual=usual, **counts)


def hold_up(after, seconds):
    """Keep the whole process from running for a while, as a busy machine does."""
    gevent.spawn_later(after, monkey.get_original("time", "sleep"), seconds)


def processes():
    """Return the command line of this process and of each that it started, by id."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children").read_text(encoding="utf-8").split()
    return {
        pid: Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
        for pid in [str(me), *children]
    }


def main():
    """Play each plan; an error of a plan is told, and the next one follows."""
    if sys.argv[1] == "worker":
        options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
        key = sys.stdin.readline().strip() or None
        port = int(options["--master-port"])
        work(options["--master-host"], port, key, find=SCENARIOS.__getitem__)
        return
    for plan in json.loads(sys.argv[1]):
        try:
            play_one(plan)
        except LoadError as error:
            tell(plan, "error", error=str(error))


main()
