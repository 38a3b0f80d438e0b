"""A drawing as a strict reader sees it."""

import re
from xml.etree import ElementTree as ET

from loadtests.report.drawing import svg
from loadtests.report.plot import Plot

POINT = re.compile(r"[ML](-?[\d.]+) (-?[\d.]+)")


def drawn(shown: Plot) -> ET.Element:
    """Return a plot as a strict reader sees it: XML, in which no tag may be left open."""
    return ET.fromstring(str(svg(shown)))  # noqa: S314 (our own drawing)


def of_class(whole: ET.Element, name: str) -> list[ET.Element]:
    """Return the elements of a class."""
    return [each for each in whole.iter() if name in each.get("class", "").split()]


def points(whole: ET.Element, name: str) -> list[tuple[float, float]]:
    """Return all points of the paths that have this name, in thousandths."""
    paths = [each for each in whole.iter("path") if each.get("data-name") == name]
    return [(float(x), float(y)) for path in paths for x, y in POINT.findall(path.attrib["d"])]


def words(whole: ET.Element, name: str) -> list[str]:
    """Return what stands in the elements of a class."""
    return ["".join(each.itertext()) for each in of_class(whole, name)]
