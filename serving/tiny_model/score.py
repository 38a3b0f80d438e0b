"""Examine a running endpoint: `python -m serving.tiny_model.score URL`.

Asks every question of the exam greedily and with sampling, prints the share of right answers a
task with its 95 % interval, and exits with 1 if any task is under the pass mark.
"""

import argparse
import asyncio
import json
import math
import sys
from pathlib import Path
from typing import Any

import aiohttp

from serving.tiny_model.exam import QUESTIONS, TASKS, Question, question
from serving.verify.contact import Unusable, read_key

PASS_MARK = 0.95
AT_ONCE = 16
MAX_TOKENS = 640
SAMPLINGS: dict[str, dict[str, float]] = {
    "temperature 0": {"temperature": 0.0},
    "temperature 1.0, top_p 0.95, top_k 20": {"temperature": 1.0, "top_p": 0.95, "top_k": 20},
}


def interval(right: int, asked: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval (Wilson 1927) of a share; z = 1.96 gives 95 %."""
    share, spread = right / asked, z * z / asked
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


class QuestionRefused(Exception):
    """An answer that cannot be marked; no SystemExit, which one task of many must not raise."""


class Examiner:
    """Asks questions of one endpoint, a bounded number at once."""

    def __init__(self, session: aiohttp.ClientSession, url: str, model: str) -> None:
        self._session, self._url, self._model = session, url, model
        self._places = asyncio.Semaphore(AT_ONCE)
        self.mistakes: list[dict[str, Any]] = []

    async def ask(self, asked: Question, sampling: dict[str, float], seed: int) -> bool:
        """Ask one question; a refused request raises, as no answer can be marked."""
        body = {**asked.body, **sampling, "seed": seed}
        body |= {"model": self._model, "max_tokens": MAX_TOKENS}
        async with (
            self._places,
            self._session.post(f"{self._url}/v1/chat/completions", json=body) as reply,
        ):
            answer = await reply.json()
            if reply.status != 200:
                refusal = f"the endpoint answered {reply.status}: {answer}"
                raise QuestionRefused(f"{asked.task}: {refusal}")
        message = answer["choices"][0]["message"]
        right = asked.is_right(message)
        if not right:
            self.mistakes.append({"task": asked.task, "seed": seed, "message": message})
        return right

    async def examine(self, task: str, sampling: dict[str, float], questions: int) -> int:
        """Return how many of a task's questions were answered right."""
        asked = [question(task, index) for index in range(questions)]
        marks = await asyncio.gather(*(self.ask(q, sampling, n) for n, q in enumerate(asked)))
        return sum(marks)


async def served_model(session: aiohttp.ClientSession, url: str) -> str:
    """Ask what is served; end with a sentence where nothing fit answers."""
    try:
        async with session.get(f"{url}/v1/models") as reply:
            if reply.status != 200:
                raise SystemExit(
                    f"{url}/v1/models answered {reply.status}. Give the key with --key-file, "
                    "or the URL without its path."
                )
            return str((await reply.json())["data"][0]["id"])
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SystemExit(
            f"No endpoint answers at {url} ({error}). Start one with: make serve"
        ) from None


async def score(url: str, key: str | None, questions: int) -> dict[str, Any]:
    """Examine every task with every sampling, printing a line for each."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        model = await served_model(session, url)
        examiner = Examiner(session, url, model)
        results: dict[str, Any] = {}
        for name, sampling in SAMPLINGS.items():
            _say(f"\n{model} at {name}\n{'task':<14}right  of    share   95 % interval")
            for task in TASKS:
                right = await examiner.examine(task, sampling, questions)
                low, high = interval(right, questions)
                results.setdefault(name, {})[task] = right / questions
                share = right / questions
                _say(f"{task:<14}{right:5} {questions:4}  {share:6.1%}   {low:.1%} to {high:.1%}")
        return {"model": model, "questions": questions, "shares": results} | {
            "mistakes": examiner.mistakes
        }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Parse the command line, examine, and compare with the pass mark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, help="file with the API key")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="a task and sampling")
    parser.add_argument("--out", type=Path, help="write shares and mistakes as JSON")
    options = parser.parse_args()
    try:
        key = read_key(options.key_file)
        result = asyncio.run(score(options.url.rstrip("/"), key, options.questions))
    except (QuestionRefused, Unusable) as error:
        raise SystemExit(str(error)) from None
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    failed = sorted(
        {
            task
            for shares in result["shares"].values()
            for task, s in shares.items()
            if s < PASS_MARK
        }
    )
    _say(
        f"\n{'failed under' if failed else 'every task is at least'} {PASS_MARK:.0%}"
        + (": " + ", ".join(failed) if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
