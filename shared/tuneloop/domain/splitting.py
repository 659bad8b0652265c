"""Splits: which examples train, which validate, and which are kept to prove the result.

The unit is the prompt: examples that ask the same thing, whatever their answers, case or spacing, land in the same
split, so that nothing the gate asks was seen in training. A unit's place is a hash of the dataset's permanent salt and
the unit, never a draw. Marks of the user's own (`split`, or a drop's folder) come first.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tuneloop.domain.evaluation import FEWEST_ROWS
from tuneloop.domain.examples import PROMPT_ROLES, Example, JsonObject, Split, canonical, text_of
from tuneloop.domain.ids import digest, unit_interval
from tuneloop.domain.statistics import alpha_per_look, rows_needed

VALIDATION_SHARE = 0.10
SMALLEST_TEST_SHARE = 0.10
LARGEST_TEST_SHARE = 0.40
FEWEST_FOR_TEST = math.ceil(FEWEST_ROWS / LARGEST_TEST_SHARE)
PROVABLE_GAIN = 0.15
ASSUMED_DISCORDANCE = 0.30


@dataclass(frozen=True)
class Shares:
    """The parts of the unmarked units that go to validation and test; the rest trains."""

    validation: float
    test: float


def unit_of(example: Example) -> str:
    """The hash of everything before the answer, letters folded, white space squeezed.

    System messages count only where nobody else says anything: they are the same in most examples.
    """
    said = [f"{message['role']}:{said_in(message)}" for message in spoken_in(example)]
    return digest(" ".join(said).casefold())


def spoken_in(example: Example) -> list[JsonObject]:
    """The prompt without system messages, or with them where nobody else says anything."""
    return [message for message in example.prompt if message["role"] not in PROMPT_ROLES] or example.prompt


def said_in(message: JsonObject) -> str:
    """A message's text with its white space squeezed, and its pictures and other parts as they are."""
    content = message.get("content")
    parts = [canonical(part) for part in content if part["type"] != "text"] if isinstance(content, list) else []
    return " ".join([*text_of(message).split(), *parts])


def plan_shares(units: int, *, marked_test: bool) -> Shares:
    """Validation takes 10%; test what shows a 15-point gain at 80% power, 10-40%, none if marked or too few for it."""
    if marked_test or units < FEWEST_FOR_TEST:
        return Shares(VALIDATION_SHARE, 0.0)
    wanted = rows_needed(PROVABLE_GAIN, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) / units
    return Shares(VALIDATION_SHARE, min(LARGEST_TEST_SHARE, max(SMALLEST_TEST_SHARE, wanted)))


def place(unit: str, salt: str, shares: Shares) -> Split:
    """The split of a unit: test from the low end of the unit interval, validation next, the rest train."""
    position = unit_interval(salt, unit)
    if position < shares.test:
        return Split.TEST
    return Split.VALIDATION if position < shares.test + shares.validation else Split.TRAIN


@dataclass(frozen=True)
class Place:
    """Where a prompt's examples go; into a held-out split only those that carry its mark, if one of them does."""

    split: Split
    is_marked: bool

    def takes(self, mark: Split | None) -> Split | None:
        """The split of one example of this prompt, or None where it has to be kept out of all."""
        is_welcome = not self.is_marked or mark == self.split or (mark is None and self.split == Split.TRAIN)
        return self.split if is_welcome else None


def assign(examples: Iterable[tuple[str, Split | None]], salt: str) -> dict[str, Place]:
    """Each prompt's place from (unit, mark) pairs; of several marks the strictest counts, test before train.

    A test split that would turn out too small to pass the gate is not taken: its prompts train.
    """
    marks: dict[str, Split | None] = {}
    for unit, mark in examples:
        marks[unit] = stricter(marks.get(unit), mark)
    free = [unit for unit, mark in marks.items() if mark is None]
    shares = plan_shares(len(free), marked_test=Split.TEST in marks.values())
    if sum(place(unit, salt, shares) == Split.TEST for unit in free) < FEWEST_ROWS:
        shares = Shares(shares.validation, 0.0)
    return {unit: Place(mark or place(unit, salt, shares), mark is not None) for unit, mark in marks.items()}


STRICTNESS = {Split.TEST: 3, Split.VALIDATION: 2, Split.TRAIN: 1, None: 0}


def stricter(one: Split | None, other: Split | None) -> Split | None:
    """The mark that counts where two disagree: test before validation before train before none."""
    return max(one, other, key=lambda mark: STRICTNESS[mark])
