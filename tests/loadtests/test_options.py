"""What may be asked of a run, and what it becomes."""

from pathlib import Path

import pytest

from loadtests.allowance import Prices
from loadtests.endpoint import parse_url
from loadtests.failure import LoadError
from loadtests.options import Options, is_loopback
from loadtests.shapes import Arrivals, Ramp, Rate, Saturation, Search, Single, Steps, Users

HERE, ELSEWHERE = "http://127.0.0.1:8000", "https://api.example.com/v1"
USUAL = Single(Users(7), seconds=1)


def options(**given) -> Options:
    """Return options with some given."""
    return Options(**{"url": HERE, "out": Path("results"), **given})


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        pytest.param({}, USUAL, id="the scenario's own"),
        pytest.param(
            {"rate": "2", "duration": 120.0},
            Single(Rate(2.0), seconds=120.0, settle_seconds=24.0),
            id="one rate",
        ),
        pytest.param(
            {"rate": "1,2.5", "arrivals": Arrivals.CONSTANT, "duration": 10.0, "drain": 5.0},
            Steps(
                (Rate(1.0, Arrivals.CONSTANT), Rate(2.5, Arrivals.CONSTANT)),
                seconds=10.0,
                settle_seconds=2.0,
                drain_seconds=5.0,
            ),
            id="rates",
        ),
        pytest.param(
            {"users": "1,8"},
            Steps((Users(1), Users(8)), seconds=30.0, settle_seconds=6.0),
            id="users",
        ),
        pytest.param(
            {"users": "4", "search": True, "duration": 3600.0},
            Search(Users(4), seconds=3600.0, settle_seconds=60.0),
            id="search, settled in a minute",
        ),
        pytest.param(
            {"rate": "2", "duration": 3600.0},
            Single(Rate(2.0), seconds=3600.0, settle_seconds=60.0),
            id="soak, of which the first minute settles",
        ),
        pytest.param(
            {"rate": "1:10", "duration": 60.0},
            Ramp(1.0, 10.0, seconds=60.0, settle_seconds=12.0),
            id="ramp",
        ),
        pytest.param(
            {"rate": "2", "saturate": True, "duration": 10.0},
            Saturation(Rate(2.0), seconds=10.0, settle_seconds=2.0),
            id="to saturation",
        ),
    ],
)
def test_options_become_a_shape(given, shape):
    """One number is one step, several are steps, none leaves it to the scenario."""
    assert options(**given).shape(USUAL) == shape


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"rate": "1", "users": "1"}, "two ways to load", id="both"),
        pytest.param({"search": True}, "needs a load to begin with", id="search for what"),
        pytest.param({"search": True, "rate": "1,2"}, "one load", id="search from two"),
        pytest.param({"saturate": True, "rate": "1:2"}, "one load", id="saturate a ramp"),
        pytest.param({"saturate": True}, "--saturate needs a load", id="saturate what"),
        pytest.param({"saturate": True, "search": True, "rate": "1"}, "two shapes", id="both ways"),
        pytest.param({"rate": "1:2:3"}, "a ramp as FROM:TO", id="a ramp of three"),
        pytest.param({"rate": "1:"}, "--rate is", id="half a ramp"),
        pytest.param({"duration": 5.0}, "--duration is of a load you choose", id="of what"),
        pytest.param({"drain": 5.0}, "--drain is of a load you choose", id="drain of what"),
        pytest.param({"rate": "1", "drain": -0.1}, "--drain is -0.1", id="drain below 0"),
        pytest.param({"rate": "1", "drain": 3600.1}, "give 0 to 3600", id="drain too long"),
        pytest.param({"rate": "1", "drain": float("nan")}, "--drain is nan", id="drain nan"),
        pytest.param({"rate": "0"}, "--rate is '0'", id="no rate"),
        pytest.param({"rate": "10001"}, "at most 10000", id="rate too high"),
        pytest.param({"rate": "nan"}, "--rate is 'nan'", id="not a number"),
        pytest.param({"rate": "1,,2"}, "such as 4 or 1,2,4", id="a hole"),
        pytest.param({"users": "1.5"}, "whole numbers", id="half a user"),
        pytest.param({"users": "10001"}, "at most 10000", id="too many users"),
        pytest.param({"rate": "1", "duration": 0.9}, "--duration is 0.9", id="too short"),
        pytest.param({"rate": "1", "duration": 86_400.1}, "give 1 to 86400", id="too long"),
        pytest.param({"rate": "1", "duration": float("nan")}, "--duration is nan", id="nan"),
    ],
)
def test_bad_options_are_named(given, words):
    """Each with its option, its limit and what to give."""
    with pytest.raises(LoadError, match=words):
        options(**given).shape(USUAL)


@pytest.mark.parametrize(
    ("url", "given", "requests", "usd"),
    [
        pytest.param(HERE, {}, 1_000_000, None, id="here"),
        pytest.param(ELSEWHERE, {}, 2000, 5.0, id="elsewhere"),
        pytest.param(ELSEWHERE, {"max_usd": 1.0, "max_requests": 9}, 9, 1.0, id="given"),
        pytest.param(HERE, {"max_usd": 1.0, "max_requests": 9}, 9, 1.0, id="given here"),
    ],
)
def test_off_loopback_there_is_always_a_limit(url, given, requests, usd):
    """A run that costs somebody something ends by itself."""
    allowance = options(**given).allowance(parse_url(url), None)
    assert (allowance.max_requests, allowance.max_usd) == (requests, usd)
    assert allowance.prices.assumed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workers": -1}, "give 0 to 64"),
        ({"workers": 65}, "give 0 to 64"),
        ({"bind": "0.0.0.0:5557"}, "give --workers"),
    ],
)
def test_workers_are_so_many(given, words):
    """From none to a bound, and an address for them asks how many they are."""
    options(workers=64, bind="0.0.0.0:5557").check()
    with pytest.raises(LoadError, match=words):
        options(**given).check()


@pytest.mark.parametrize("given", [{"max_requests": 0}, {"max_usd": -0.1}, {"max_usd": 0.0}])
def test_limits_are_above_nothing(given):
    """A limit of 0 is a mistake, not a run without limits."""
    with pytest.raises(LoadError, match="above 0"):
        options(**given).check()


def test_the_endpoints_own_prices_win():
    """Where it tells any."""
    prices = Prices(prompt=1, output=2)
    assert options().allowance(parse_url(HERE), prices).prices == prices


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback_is_known(host, here):
    """By its address, and by the one name that it has."""
    assert is_loopback(host) == here


@pytest.mark.parametrize(
    ("url", "metrics", "pages"),
    [
        pytest.param(HERE, None, 2, id="here"),
        pytest.param(ELSEWHERE, None, 0, id="elsewhere"),
        pytest.param(ELSEWHERE, "http://a/metrics,http://b/metrics", 2, id="given"),
        pytest.param(HERE, "none", 0, id="none"),
    ],
)
def test_metrics_are_watched_where_they_can_be(url, metrics, pages):
    """This machine's admin port by itself, another's where it is given."""
    assert len(options(metrics=metrics).metrics_urls(parse_url(url))) == pages


@pytest.mark.parametrize(
    "metrics", ["a:9000", "https://a/metrics", "http://", "http://a:x/", "http://a/,", "http://[/"]
)
def test_pages_of_metrics_are_addresses(metrics):
    """Another would be watched in vain, and nobody would be told."""
    with pytest.raises(LoadError, match="--metrics has"):
        options(metrics=metrics).metrics_urls(parse_url(HERE))


def test_pages_of_metrics_may_have_spaces_between_them():
    """As people write lists; an address in brackets keeps them."""
    pages = options(metrics="http://a/m, http://b/m").metrics_urls(parse_url(HERE))
    assert pages == ("http://a/m", "http://b/m")
    [page, _] = options().metrics_urls(parse_url("http://[::1]:8000"))
    assert page == "http://[::1]:9000/metrics"


def test_the_key_is_the_files_first_word(tmp_path):
    """As an editor leaves it, with a line's end."""
    file = tmp_path / "key"
    file.write_text("secret\n# of mine\n")
    assert options(key_file=file).key() == "secret"
    assert options().key() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n", "is empty"),
        (b"\xff", "cannot be read"),
        ("clé".encode(), "letters"),
        (b"a\0b", "letters"),
    ],
)
def test_a_file_without_a_key_is_named(tmp_path, content, words):
    """So is one that is none."""
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(LoadError, match=f"--key-file .*{words}"):
        options(key_file=file).key()
