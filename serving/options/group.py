"""What all groups of options share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

Text = Annotated[str, StringConstraints(min_length=1)]


def _with_its_path(url: str) -> str:
    """Refuse what a collector would answer by 404, or its other port by silence."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("must be a whole URL, such as http://collector:4318/v1/traces")
    return url


CollectorUrl = Annotated[str, AfterValidator(_with_its_path)]


class Group(BaseModel):
    """Options that cannot be misspelt and do not change after the start."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )
