"""The process that looks into files: `python -m serving.gateway.inspection.worker`.

Speaks over the socket that is its standard input. First it says that it is ready; then, for each
question, a line of JSON and a file's base64, it answers with a line of JSON. It ends with the
socket, so never outlives the gateway by more than one question.
"""

import binascii
import json
import resource
import socket
import sys
from typing import Any, Final

from serving.gateway.inspection import pixels
from serving.gateway.inspection.finding import TOO_LARGE, Limits, Refused, damaged

MAX_FILES: Final = 16


def main() -> None:
    """Answer questions until the socket ends; leave after one that the memory was too small for."""
    memory_bytes, cpu_seconds = map(int, sys.argv[1:])
    pixels.load_decoders()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as gateway, gateway.makefile("rb") as questions:
        _say(gateway, {})
        while line := questions.readline():
            question = json.loads(line)
            _limit_cpu(cpu_seconds)
            try:
                base64 = questions.read(question["base64_bytes"])
                answer = _answer(question, base64)
            except MemoryError:
                _say(gateway, {**_verdict(_no_memory()), "leaving": True})
                return
            _say(gateway, answer)


def _answer(question: dict[str, Any], base64: bytes) -> dict[str, Any]:
    try:
        return _look(question["format"], binascii.a2b_base64(base64), Limits(*question["limits"]))
    except MemoryError:
        raise
    except Refused as refused:
        return _verdict(refused)
    except Exception:  # decoders raise of every kind, and all mean the same
        return _verdict(damaged())


def _look(form: str, data: bytes, limits: Limits) -> dict[str, float]:
    if form in pixels.FORMATS:
        return pixels.look(data, form, limits)
    from serving.gateway.inspection import streams  # noqa: PLC0415  # FFmpeg only where needed

    return streams.look(data, form, limits)


def _limit_cpu(seconds: int) -> None:
    """Let one question take this much; a worker whose gateway was killed ends even in a loop."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _verdict(refused: Refused) -> dict[str, str]:
    return {"code": refused.code, "what": refused.what}


def _no_memory() -> Refused:
    return Refused(TOO_LARGE, "takes more memory to decode than allowed. Scale it down.")


def _say(gateway: socket.socket, answer: dict[str, Any]) -> None:
    gateway.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
