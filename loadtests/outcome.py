"""How a request can end."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended; all but the first are failures."""

    ANSWERED = "answered"
    NO_ANSWER = "no answer"
    HTTP_ERROR = "http error"
    STREAM_ERROR = "stream error"
    CUT_STREAM = "cut stream"
    NO_CONNECTION = "no connection"
    TIMEOUT = "timeout"
    CENSORED = "censored"  # still running when the wait at the end of its step was over
