"""What a user may ask of a run, and how it becomes a shape and an allowance; pure."""

import ipaddress
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.allowance import Allowance, Prices
from loadtests.endpoint import Endpoint
from loadtests.failure import LoadError
from loadtests.fixed_lengths import FixedLengths
from loadtests.scenario import Scenario
from loadtests.shapes import (
    Arrivals,
    Ramp,
    Rate,
    Saturation,
    Search,
    Shape,
    Single,
    Steps,
    Users,
)

SETTLE_SHARE = 0.2
MAX_SETTLE_SECONDS = 60.0
MAX_DURATION_SECONDS = 24 * 3600.0
MAX_USERS = 10_000
MAX_RATE = 10_000.0
STEP_SECONDS = 30.0
DRAIN_SECONDS = 120.0
MAX_DRAIN_SECONDS = 3600.0
MAX_WORKERS = 64
ADMIN_PORT = 9000  # of the gateway, where nobody changed it
# Off loopback a run costs somebody something: these hold where the user gives no others.
MAX_REQUESTS_ELSEWHERE = 2000
MAX_USD_ELSEWHERE = 5.0
MAX_REQUESTS_HERE = 1_000_000
MAX_SEED = 2**31
# The hosted endpoint's list prices, assumed where the one under test tells none.
ASSUMED_PRICES = Prices(prompt=0.18, output=2.10, assumed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One call of `run`; None where the scenario or the address decides."""

    url: str
    scenario: str = "mixed"
    key_file: Path | None = None
    model: str | None = None
    rate: str | None = None
    users: str | None = None
    search: bool = False
    saturate: bool = False
    arrivals: Arrivals = Arrivals.POISSON
    duration: float | None = None
    drain: float | None = None
    seed: int | None = None
    slo: str = "default"
    max_usd: float | None = None
    max_requests: int | None = None
    workers: int = 0
    bind: str | None = None
    metrics: str | None = None
    out: Path
    report: Path | None = None
    synthetic: bool = False
    thought_tokens: int | None = None
    answer_tokens: int | None = None

    def shape(self, usual: Shape) -> Shape:
        """Return the shape asked for, else the scenario's own; raises LoadError."""
        if self.rate and self.users:
            raise LoadError("--rate and --users are two ways to load: give one of them.")
        if self.search and self.saturate:
            raise LoadError("--search and --saturate are two shapes: give one of them.")
        grows = "--search" if self.search else "--saturate" if self.saturate else None
        if grows and not (self.rate or self.users):
            raise LoadError(f"{grows} needs a load to begin with: give --rate or --users.")
        if not self.rate and not self.users:
            for option, value in (("--duration", self.duration), ("--drain", self.drain)):
                if value is not None:
                    raise LoadError(
                        f"{option} is of a load you choose: give --rate or --users, too."
                    )
            return usual
        seconds = self._seconds()
        settle = min(SETTLE_SHARE * seconds, MAX_SETTLE_SECONDS)
        if grows and not self._is_single():
            raise LoadError(f"{grows} begins with one load: give a single number.")
        drain = DRAIN_SECONDS if self.drain is None else self.drain
        if not 0 <= drain <= MAX_DRAIN_SECONDS:
            raise LoadError(f"--drain is {drain:g}: give 0 to {MAX_DRAIN_SECONDS:g} seconds.")
        return replace(self._shape(), seconds=seconds, settle_seconds=settle, drain_seconds=drain)

    def _is_single(self) -> bool:
        return not set(",:") & set(self.rate or self.users or "")

    def _shape(self) -> Search | Saturation | Ramp | Single | Steps:
        """Return the shape asked for, of any length."""
        if self.rate and ":" in self.rate:
            if self.rate.count(":") > 1 or "," in self.rate:
                raise LoadError(f"--rate is {self.rate!r}: give a ramp as FROM:TO, such as 1:10.")
            first, last = _numbers("--rate", self.rate.replace(":", ","), MAX_RATE, float)
            return Ramp(first, last, self.arrivals)
        loads = self._loads()
        if self.search:
            return Search(loads[0])
        if self.saturate:
            return Saturation(loads[0])
        return Single(loads[0]) if len(loads) == 1 else Steps(loads)

    def scenario_of(self, found: Scenario) -> Scenario:
        """Return the scenario with the seed and the lengths asked for; raises LoadError.

        Without a seed it is another in each run: what was asked before is in the endpoint's caches.
        """
        seed = secrets.randbelow(MAX_SEED) if self.seed is None else self.seed
        lengths = self._lengths()
        return replace(lengths.scenario(found) if lengths else found, seed=seed)

    def allowance(self, endpoint: Endpoint, prices: Prices | None) -> Allowance:
        """Return how much may be asked; off loopback there is always a limit."""
        here = is_loopback(endpoint.host)
        requests, dollars = self.max_requests, self.max_usd
        if requests is None:
            requests = MAX_REQUESTS_HERE if here else MAX_REQUESTS_ELSEWHERE
        if dollars is None and not here:
            dollars = MAX_USD_ELSEWHERE
        return Allowance(requests, dollars, prices or ASSUMED_PRICES, expected_usd=0.0)

    def check(self) -> None:
        """Refuse limits that leave nothing, and workers that cannot be; raises LoadError."""
        for option, value in (("--max-requests", self.max_requests), ("--max-usd", self.max_usd)):
            if value is not None and not value > 0:
                raise LoadError(f"{option} is {value:g}: give one above 0.")
        if not 0 <= self.workers <= MAX_WORKERS:
            raise LoadError(f"--workers is {self.workers}: give 0 to {MAX_WORKERS}.")
        if self.bind is not None and not self.workers:
            raise LoadError("--bind awaits workers: give --workers, how many they are, too.")

    def key(self) -> str | None:
        """Read the key from the first line of its file; raises LoadError."""
        if self.key_file is None:
            return None
        try:
            words = self.key_file.expanduser().read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise LoadError(f"--key-file {self.key_file} cannot be read: {error}.") from None
        if not words:
            raise LoadError(f"--key-file {self.key_file} is empty.")
        if not (words[0].isascii() and words[0].isprintable()):
            raise LoadError(
                f"--key-file {self.key_file} holds more than letters, digits and signs."
            )
        return words[0]

    def metrics_urls(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the pages of metrics to watch: those given, else this machine's admin port.

        Raises LoadError for what is no address of a page.
        """
        if self.metrics == "none":
            return ()
        if self.metrics:
            return tuple(_page(url.strip()) for url in self.metrics.split(","))
        if not is_loopback(endpoint.host):
            return ()
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        admin = f"http://{host}:{ADMIN_PORT}"
        return (f"{admin}/metrics", f"{admin}/engine/metrics")

    def _lengths(self) -> FixedLengths | None:
        thought, answer = self.thought_tokens, self.answer_tokens
        if thought is None and answer is None:
            return None
        if not thought or not answer or min(thought, answer) < 1 or self.workers:
            raise LoadError(
                "--thought-tokens and --answer-tokens go together, are above 0, and load from one "
                "process: give both, and no --workers."
            )
        return FixedLengths(thought, answer)

    def _seconds(self) -> float:
        seconds = STEP_SECONDS if self.duration is None else self.duration
        if not 1 <= seconds <= MAX_DURATION_SECONDS:
            raise LoadError(
                f"--duration is {seconds:g}: give 1 to {MAX_DURATION_SECONDS:g} seconds."
            )
        return seconds

    def _loads(self) -> tuple[Users | Rate, ...]:
        if self.users:
            return tuple(Users(int(n)) for n in _numbers("--users", self.users, MAX_USERS, int))
        rates = _numbers("--rate", self.rate or "", MAX_RATE, float)
        return tuple(Rate(each, self.arrivals) for each in rates)


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _page(url: str) -> str:
    """Check the address of a page of metrics; raises LoadError."""
    try:
        parts = urlsplit(url)
        known = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise LoadError(
            f"--metrics has {url!r}: give pages such as http://127.0.0.1:9000/metrics, plain http "
            "and with commas between them, or none."
        )
    return url


def _numbers(
    option: str, text: str, most: float, kind: type[int] | type[float]
) -> tuple[float, ...]:
    """Read one number, or several with commas between them; raises LoadError."""
    try:
        values = tuple(kind(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value <= most for value in values):
        what = "whole numbers" if kind is int else "numbers"
        raise LoadError(
            f"{option} is {text!r}: give {what} above 0 and at most {most:g}, such as 4 or 1,2,4."
        )
    return values
