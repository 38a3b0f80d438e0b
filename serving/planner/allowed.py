"""What a plan refuses unless it is asked for, and labels then."""

from enum import StrEnum


class Allowed(StrEnum):
    """A fault of the basis that the user may accept."""

    INVALID = "invalid"
    PARTIAL = "partial"
    OTHER_MODEL = "other-model"
    EXTRAPOLATION = "extrapolation"
