"""URLs that lead where no gateway may go: to decoys on loopback, inward, or nowhere."""

import random
from collections.abc import Callable

# Ways to write loopback: what connects in spite of the rule reaches a decoy.
LOOPBACK = (
    "127.0.0.1",
    "127.0.0.2",
    "localhost",
    "LOCALHOST",
    "127.0.0.1.",
    "127.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0.0.0.0",  # noqa: S104  # asked for, not bound
    "0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[::1%25lo]",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "user@127.0.0.1",
    "user:secret@[::1]",
    "example.org@127.0.0.1",
)
INWARD = (
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "0xa9fea9fe",
    "2852039166",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "10.0.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[ff02::1]",
    "[fc00::1]",
    "[fec0::1]",
)
PATHS = ("/", "/x.png", "/latest/meta-data/", "/?url=http://example.org/", "/a%2f..%2f", "/#f")
NO_URLS = (
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/x",
    "gopher://127.0.0.1:{port}/_GET",
    "dict://127.0.0.1:{port}/",
    "unix:///run/docker.sock",
    "javascript:alert(1)",
    "blob:http://127.0.0.1:{port}/1",
    "jar:http://127.0.0.1:{port}/x!/y",
    "//127.0.0.1:{port}/x",
    "127.0.0.1:{port}/x",
    "http:/127.0.0.1:{port}/x",
    "http://",
    "http:///x",
    "http://[",
    "http://[::1",
    "http://:{port}/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:port/",
    "http://example.org\\@127.0.0.1:{port}/",
    "data:image/png,%89PNG",
    "data:text/html,<script>alert(1)</script>",
    "data:;base64",
    "\0http://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "",
)
REFUSED = ("invalid_{}_url", "{}_download_failed")


def loopback(rng: random.Random, port: int) -> str:
    """Write loopback in one of its ways, with a decoy's port."""
    scheme = rng.choice(("http", "http", "HTTP", "https"))
    return f"{scheme}://{rng.choice(LOOPBACK)}:{port}{rng.choice(PATHS)}"


def split_line(rng: random.Random, port: int) -> str:
    """Try to write a header of one's own."""
    gap = rng.choice(("\r\n", "%0d%0a", "\n", "\t"))
    return f"http://127.0.0.1:{port}/x{gap}Host: inside{gap}{gap}GET /y"


def inward(rng: random.Random, port: int) -> str:
    """Lead to a private network or a cloud's own addresses."""
    return f"http://{rng.choice(INWARD)}:{rng.choice((80, port))}{rng.choice(PATHS)}"


def no_url(rng: random.Random, port: int) -> str:
    """Be no http: or https: URL."""
    return rng.choice(NO_URLS).replace("{port}", str(port))


def endless(rng: random.Random, port: int) -> str:
    """Be longer than any URL."""
    return f"http://127.0.0.1:{port}/" + "x" * rng.choice((8180, 9000, 100_000))


URLS: tuple[Callable[[random.Random, int], str], ...] = (
    loopback,
    inward,
    no_url,
    split_line,
    endless,
)
