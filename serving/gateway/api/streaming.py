"""The fields that say whether an answer comes as a stream, and whether it ends with usage."""

from dataclasses import dataclass

import msgspec

from serving.gateway.fields import Dialect, Fields, encoded, read_field


class StreamOptions(msgspec.Struct):
    """What a client asks of a stream."""

    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class Streaming:
    """How the answer is shown, and what the engine is told: it always counts."""

    stream: bool
    show_usage: bool

    @property
    def fields(self) -> Fields:
        """Return the engine's fields."""
        if not self.stream:
            return {"stream": encoded(False)}
        return {"stream": encoded(True), "stream_options": encoded({"include_usage": True})}


def read_streaming(fields: Fields, dialect: Dialect) -> Streaming:
    """Read a request's wishes; raises BadRequest naming the field."""
    stream = read_field(fields, "stream", bool) or False
    options = read_field(fields, "stream_options", StreamOptions) or StreamOptions()
    return Streaming(stream, options.include_usage or dialect.always_usage)
