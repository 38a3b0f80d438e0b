"""Conversations in words: a question after real lengths of text, growing histories, long contexts.

Later turns do not wait for the answers to earlier ones: they carry answers that are known to be
right. So prompts stay the same for the same seed, and an open loop can send them at any time.
"""

import random
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any, Final

from loadtests.prompt import Pictures, Prompt
from loadtests.scenario import Served
from loadtests.workloads.lengths import CONVERSATION
from loadtests.workloads.pictures import SIZES, album, part, question_about, remarks
from loadtests.workloads.prose import Prose
from loadtests.workloads.questions import addition, number
from loadtests.workloads.workload import Kind, Workload, is_toy, picture_tokens

CHAT_TOKENS: Final = 2048
TURNS: Final = 6
# The next turn of a conversation comes so many requests later: its history is in the cache by then.
OPEN_CONVERSATIONS: Final = 8
LONG_ANSWER_TOKENS: Final = 4096
SPARE_TOKENS: Final = 256
LONG: Final = {"32k": 32768, "128k": 131072, "256k": 262144}


def _chat(rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Ask for a sum after a text of a length drawn from real conversations."""
    prose = Prose(rng)
    while True:
        question = addition(rng)
        text = _after(prose, CONVERSATION.draw(rng), served, question.text)
        message = {"role": "user", "content": text}
        yield Prompt("chat", (message,), CHAT_TOKENS, right=question.right)


def _after(prose: Prose, tokens: int, served: Served, question: str) -> str:
    """Put a text before a question; a toy model gets the question alone."""
    return question if is_toy(served) else f"{prose.write(tokens)}\n\n{question}"


def _growing(rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Yield the next turn of one of the open conversations, which take turns.

    The text of all turns together is as long as a real conversation's.
    """
    pictures = album(rng.getrandbits(64), SIZES["720p"], "JPEG")
    prose, salted, numbers = Prose(rng), remarks(rng, "multi-turn"), count()

    def conversation() -> Iterator[Prompt]:
        shown, history, own = rng.choice(pictures), [], next(numbers)
        picture = part(shown.file.url(next(salted)))
        tokens = CONVERSATION.draw(rng) // TURNS
        for turn in range(TURNS):
            question = question_about(rng, shown.scene)
            text = _after(prose, tokens, served, question.text)
            content: Any = text if turn else [picture, {"type": "text", "text": text}]
            history.append({"role": "user", "content": content})
            yield Prompt(
                f"turn {turn + 1}",
                tuple(history),
                CHAT_TOKENS,
                right=question.right,
                pictures=Pictures.REPEATED if turn else Pictures.COLD,
                picture_count=1,
                conversation=own,
                turn=turn,
            )
            history.append({"role": "assistant", "content": question.answer})

    def endless() -> Iterator[Prompt]:
        opened = [conversation() for _ in range(OPEN_CONVERSATIONS)]
        while True:
            for place, talk in enumerate(opened):
                prompt = next(talk, None)
                if prompt is None:
                    opened[place] = conversation()
                    prompt = next(opened[place])
                yield prompt

    return endless()


def _needle(kind: str, context: int, rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Ask for a number that stands once in a text that fills the context, at a random depth."""
    # Of its own: a longer context that begins like a shorter one would be cached in part.
    rng = random.Random(f"{rng.getrandbits(64)} {kind}")  # noqa: S311 - repeatable
    prose = Prose(rng)
    while True:
        locker, key = rng.randint(100, 999), rng.randint(10_000, 99_999)
        text = prose.write(context - LONG_ANSWER_TOKENS - SPARE_TOKENS)
        at = text.find(". ", int(rng.random() * text.rindex(". "))) + 2
        fact = f"The key to locker {locker} has the number {key}. "
        question = f"What number has the key to locker {locker}?"
        content = f"{text[:at]}{fact}{text[at:]}\n\n{question}"
        yield Prompt(
            kind, ({"role": "user", "content": content},), LONG_ANSWER_TOKENS, right=number(key)
        )


CHAT: Final = Workload((Kind("chat", CONVERSATION.most, CHAT_TOKENS, _chat),))
MULTI_TURN: Final = Workload(
    (
        Kind(
            "multi-turn",
            picture_tokens(*SIZES["720p"]) + CONVERSATION.most,
            CHAT_TOKENS,
            _growing,
            rows=tuple(f"turn {turn + 1}" for turn in range(TURNS)),
        ),
    )
)
LONG_CONTEXT: Final = Workload(
    tuple(
        Kind(
            kind,
            context - LONG_ANSWER_TOKENS - SPARE_TOKENS // 2,
            LONG_ANSWER_TOKENS,
            partial(_needle, kind, context),
        )
        for kind, context in LONG.items()
    )
)
