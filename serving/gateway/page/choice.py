"""A row of links that say which piece of the page is shown instead of this one."""

from collections.abc import Mapping
from html import escape


def choice(label: str, sources: Mapping[str, str], chosen: str) -> str:
    """Write a link to each source by its name; the page fetches the one that is followed."""
    marks = {chosen: ' aria-current="true"'}
    links = "".join(
        f'<a href="{escape(source)}"{marks.get(source, "")}>{escape(name)}</a>'
        for name, source in sources.items()
    )
    return (
        f'<div class="choices plot-choices" role="group" aria-label="{escape(label)}">{links}</div>'
    )
