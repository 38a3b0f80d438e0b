"""What all groups of the chart's values share, and the texts that Kubernetes takes."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"


def text(pattern: str, longest: int, *, empty: bool = False) -> StringConstraints:
    """Return the limits of a text that matches as a whole, or that may also be empty."""
    whole = f"^({pattern})?$" if empty else f"^{pattern}$"
    return StringConstraints(pattern=whole, max_length=longest)


LabelOrNone = Annotated[str, text(LABEL, 63, empty=True)]
# A Service's name begins with a letter.
PrefixOrNone = Annotated[str, text("[a-z]([-a-z0-9]*[a-z0-9])?", 40, empty=True)]
# Objects are named by labels joined by dots, and so are hosts.
NAME = rf"{LABEL}(\.{LABEL})*"
Name = Annotated[str, text(NAME, 253)]
NameOrNone = Annotated[str, text(NAME, 253, empty=True)]
HOST = rf"(\*\.)?{NAME}"
Host = Annotated[str, text(HOST, 253)]
HostOrNone = Annotated[str, text(HOST, 253, empty=True)]
# An entry of a Secret or ConfigMap.
Entry = Annotated[str, text(r"[-._a-zA-Z0-9]+", 253)]
# Names of labels, annotations and resources; 253 characters before the slash and 63 behind it.
KEY = rf"({NAME}/)?{WORD}"
Key = Annotated[str, text(KEY, 317)]
KeyOrNone = Annotated[str, text(KEY, 317, empty=True)]
Annotations = dict[Key, str]
Labels = dict[Key, Annotated[str, text(WORD, 63, empty=True)]]
URL = r"https?://[-A-Za-z0-9._:@\[\]]+(/[!-~]*)?"
Url = Annotated[str, text(URL, 2048)]
UrlOrNone = Annotated[str, text(URL, 2048, empty=True)]
SIZE = "[1-9][0-9]{0,8}(M|Mi|G|Gi|T|Ti)"
Size = Annotated[str, text(SIZE, 12)]
SizeOrNone = Annotated[str, text(SIZE, 12, empty=True)]
# A number is what `--set` makes of a text that looks like one.
Cores = (
    Annotated[str, text(r"([1-9][0-9]{0,5}m|0\.[0-9]{0,2}[1-9]|[1-9][0-9]{0,3}(\.[0-9]{1,3})?)", 8)]
    | Annotated[float, Field(gt=0, le=1000)]
)
Port = Annotated[int, Field(ge=1, le=65_535)]
# An object of Kubernetes' own, which its API server checks.
Open = dict[str, Any]


class Group(BaseModel):
    """Values that cannot be misspelt; named as values.yaml names them, which has the defaults.

    A group's keys are all required: the chart's defaults are there before anything is checked, so
    a key that is missing was deleted, by null or by values of an older chart.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )
