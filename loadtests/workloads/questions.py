"""Questions in words whose answer is known: some that a toy model knows, some for a real one."""

import random
from dataclasses import dataclass
from typing import Final

from loadtests.workloads.answers import Says

LARGEST_TERM: Final = 20
COUNTED: Final = (60, 99)
CHECK: Final = " Think it through, check the result, then answer with the number alone."


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the words of which a right answer has one, the usual one first."""

    text: str
    right: Says

    @property
    def answer(self) -> str:
        """Return the answer as an earlier turn holds it."""
        return self.right.words[0]


def addition(rng: random.Random) -> Question:
    """Ask for a sum: a short thought, a short answer."""
    a, b = rng.randint(0, LARGEST_TERM), rng.randint(0, LARGEST_TERM)
    return Question(f"What is {a} + {b}?", number(a + b))


def counting(rng: random.Random) -> Question:
    """Ask to count aloud: the number steers how long a toy model's thought is."""
    last = rng.randint(*COUNTED)
    return Question(f"Count aloud to {last}.", number(last))


def puzzle(rng: random.Random) -> Question:
    """Ask what takes a real model some thousand tokens of thought."""
    return rng.choice((_divisible, _remainder, _primes))(rng)


def number(value: int) -> Says:
    """Return the rule for a number, with or without commas between thousands."""
    return Says((str(value), f"{value:,}"))


def _divisible(rng: random.Random) -> Question:
    last, (a, b, c) = rng.randint(300, 900), rng.sample((3, 4, 5, 7, 11, 13), 3)
    found = sum((n % a == 0 or n % b == 0) and n % c != 0 for n in range(1, last + 1))
    return Question(
        f"How many whole numbers from 1 to {last} are divisible by {a} or by {b}, "
        f"but not by {c}?{CHECK}",
        number(found),
    )


def _remainder(rng: random.Random) -> Question:
    base, power, modulus = rng.randint(7, 60), rng.randint(40, 200), rng.randint(101, 997)
    return Question(
        f"What is the remainder of {base} to the power of {power} divided by {modulus}?{CHECK}",
        number(pow(base, power, modulus)),
    )


def _primes(rng: random.Random) -> Question:
    first = rng.randint(100, 800)
    last = first + rng.randint(60, 120)
    total = sum(n for n in range(first, last + 1) if all(n % d for d in range(2, n)))
    return Question(
        f"What is the sum of all prime numbers from {first} to {last}?{CHECK}", number(total)
    )
