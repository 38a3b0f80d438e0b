"""The frontier as a picture alone, as README shows it."""

from xml.etree import ElementTree as ET

import msgspec

from loadtests.report import frontier_svg
from loadtests.report.folder import Run

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_stands_alone(run: Run) -> None:
    """It has a size, its own style for light and dark, words for those who do not see it."""
    text = frontier_svg(run.summary)
    whole = ET.fromstring(text)  # noqa: S314 (our own drawing)
    assert whole.tag == f"{SVG}svg"
    width, height = float(whole.attrib["width"]), float(whole.attrib["height"])
    assert whole.attrib["viewBox"] == f"0 0 {width:g} {height:g}"
    assert 1.5 < width / height < 4
    assert "prefers-color-scheme: dark" in text
    assert "href" not in text
    told = whole.find(f"{SVG}desc")
    assert told is not None and told.text is not None
    assert all(step.label in told.text for step in run.summary.steps)


def test_the_picture_says_which_step_is_best(run: Run) -> None:
    """Its heading has the best step's figures, as the table has them."""
    step = run.shown_step
    assert step is not None
    text = frontier_svg(run.summary)
    assert f"at {step.label}, the best step: first answer token after 302 ms (median)" in text
    assert f"{step.all.per_second.output_tokens:,.0f} output tokens/s" in text


def test_a_picture_of_an_invalid_run_says_so(run: Run) -> None:
    """It stands alone, away from the verdict."""
    certificate = msgspec.structs.replace(run.summary.certificate, valid=False)
    text = frontier_svg(msgspec.structs.replace(run.summary, certificate=certificate))
    assert "INVALID: " in text
    assert "INVALID" not in frontier_svg(run.summary)


def test_a_picture_of_few_requests_says_so(single: Run) -> None:
    """No point is made up."""
    text = frontier_svg(single.summary)
    assert text.count("No median: too few requests") == 2
    assert 'class="dots' not in text
