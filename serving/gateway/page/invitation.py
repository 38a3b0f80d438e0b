"""What stands in the place of plots while there is nothing to plot."""

from html import escape


def invitation(name: str, title: str, text: str) -> str:
    """Write why there is nothing yet, and the way to the chat; `name` is for the ids."""
    return (
        f'<section class="card invite" aria-labelledby="{name}-head">'
        f'<h2 id="{name}-head">{escape(title)}</h2><p>{escape(text)}</p>'
        '<p><a class="button" href="#chat">Ask it something</a></p></section>'
    )
