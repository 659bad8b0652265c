"""Splits: which examples train, which validate, and which are kept to prove the result.

The unit is the prompt: examples that ask the same thing, whatever their answers, case or spacing, land in the same
split, so that nothing the gate asks was seen in training. A unit's place is a hash of the dataset's permanent salt and
the unit, never a draw. Marks of the user's own (`split`, or a drop's folder) come first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tuneloop.domain.chat.examples import PROMPT_ROLES, Example, JsonObject, Split, canonical, text_of
from tuneloop.domain.core.ids import unit_interval
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LARGEST_SHARE, LATEST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.evaluation.statistics import alpha_per_look, rows_needed

SMALLEST_TEST_SHARE = 0.10
LARGEST_TEST_SHARE = LARGEST_SHARE
# Of fewer units that nobody marked not even the largest share is expected to hold the rows that the gate takes: 50.
FEWEST_FOR_TEST = math.ceil(FEWEST_ROWS / LARGEST_TEST_SHARE)
PROVABLE_GAIN = 0.15
ASSUMED_DISCORDANCE = 0.30


@dataclass(frozen=True)
class Shares:
    """The parts of the unmarked units that go to validation and test; the rest trains."""

    validation: float
    test: float


def folded_prompt(example: Example) -> str:
    """Everything before the answer as one text, letters folded, white space squeezed, each message led by its role.

    System messages count only where nobody else says anything: they are the same in most examples.
    """
    return " ".join([f"{message['role']}:{said_in(message)}" for message in spoken_in(example)]).casefold()


def spoken_in(example: Example) -> list[JsonObject]:
    """The prompt without system messages, or with them where nobody else says anything."""
    return [message for message in example.prompt if message["role"] not in PROMPT_ROLES] or example.prompt


def said_in(message: JsonObject) -> str:
    """A message's text with its white space squeezed, and its pictures and other parts as they are."""
    content = message.get("content")
    parts = [canonical(part) for part in content if part["type"] != "text"] if isinstance(content, list) else []
    return " ".join([*text_of(message).split(), *parts])


def plan_shares(units: int, policy: Policy = DEFAULT, *, marked_test: bool) -> Shares:
    """The shares of so many unmarked units: the policy's, or for the test as much as shows a gain of 15 points.

    Planned are 80% power and 10 to 40%. There is no test where users marked one, or where there are too few units.
    """
    if marked_test or not policy.draws_test or units < FEWEST_FOR_TEST:
        return Shares(policy.validation, 0.0)
    if policy.test is not None:
        return Shares(policy.validation, policy.test)
    wanted = rows_needed(PROVABLE_GAIN, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) / units
    return Shares(policy.validation, min(LARGEST_TEST_SHARE, max(SMALLEST_TEST_SHARE, wanted)))


def divided(examples: int, policy: Policy, marked: Mapping[Split, int]) -> dict[Split, int]:
    """How many of so many examples each split is expected to get, by the latest rules; `marked` are among them."""
    free = examples - sum(marked.values())
    shares = plan_shares(free, policy, marked_test=bool(marked.get(Split.TEST)))
    test = round(shares.test * free)
    lacking = max(0, LEAST_TRAINED - marked.get(Split.TRAIN, 0))  # which train before any validates
    validation = min(round(shares.validation * free), max(0, free - test - lacking))
    held = {
        Split.VALIDATION: validation + marked.get(Split.VALIDATION, 0),
        Split.TEST: test + marked.get(Split.TEST, 0),
    }
    return {Split.TRAIN: examples - sum(held.values()), **held}


def split_at(position: float, shares: Shares) -> Split:
    """The split at a position of the unit interval: test at the low end, validation next, and the rest trains."""
    if position < shares.test:
        return Split.TEST
    return Split.VALIDATION if position < shares.test + shares.validation else Split.TRAIN


@dataclass(frozen=True)
class SplitAssignment:
    """Where a group's examples go; one whose own mark says otherwise goes nowhere.

    Where a group is held out because some of it is marked so, only what is marked goes there.
    """

    split: Split
    is_marked: bool

    def takes(self, mark: Split | None) -> Split | None:
        """The split of one example of this group, or None where it has to be kept out of all."""
        is_free = mark is None and (not self.is_marked or self.split == Split.TRAIN)
        return self.split if is_free or mark == self.split else None


FREE = {split: SplitAssignment(split, is_marked=False) for split in Split}


@dataclass(slots=True)
class SplitUnit:
    """What must not be divided, as splitting sees it: strictest mark, name, examples to test with, past, and size.

    It is named by its subject, else its conversation, else its smallest prompt: so it stays where it is as it grows.
    """

    strictness: int
    name: tuple[int, int]
    testable: int
    was_test: bool
    was_seen: bool = False
    size: int = 1

    def position(self, salt: str) -> float:
        """Where the draw puts it in the unit interval."""
        return unit_interval(salt, f"{self.name[1]:016x}")

    def place(self, salt: str, shares: Shares) -> SplitAssignment:
        """Its place: what is marked as test or was test is test, then come other marks, then the hash of its name."""
        mark = MARKS[self.strictness]
        if mark == Split.TEST:
            return SplitAssignment(mark, is_marked=True)
        if self.was_test:
            return FREE[Split.TEST]
        if mark:
            return SplitAssignment(mark, is_marked=True)
        split = split_at(self.position(salt), shares)
        is_fit = bool(self.testable) and not self.was_seen
        return FREE[split if split != Split.TEST or is_fit else Split.TRAIN]


def assign(
    bundles: dict[int, SplitUnit], salt: str, policy: Policy, *, rules: int = LATEST_RULES
) -> tuple[Shares, dict[int, SplitAssignment]]:
    """The shares, and each bundle's place.

    A planned test that would turn out too small to pass the gate is not taken, nor any that would leave too little to
    train on: what was no test before trains. By rules 2 nothing is drawn for validation before ten examples train.
    """
    free = sum(bool(bundle.testable) and not bundle.strictness for bundle in bundles.values())
    is_marked = any(bundle.strictness == STRICTNESS[Split.TEST] for bundle in bundles.values())
    shares = plan_shares(free, policy, marked_test=is_marked)
    places = {number: bundle.place(salt, shares) for number, bundle in bundles.items()}
    _leave_to_training(bundles, places)
    tested = sum(bundle.testable for number, bundle in bundles.items() if _is_drawn(bundle, places[number]))
    is_small = policy.test is None and tested < FEWEST_ROWS
    if shares.test and (is_small or (rules > FIRST_RULES and _trainable(bundles, places) < LEAST_TRAINED)):
        shares = Shares(shares.validation, 0.0)
        places = {number: bundle.place(salt, shares) for number, bundle in bundles.items()}
    if rules > FIRST_RULES:
        _train_first(bundles, places, salt)
    return shares, places


def _trainable(bundles: dict[int, SplitUnit], places: dict[int, SplitAssignment]) -> int:
    """How many examples train, or would if nothing were drawn for validation."""
    free = (number for number, place in places.items() if place.split == Split.TRAIN or place is FREE[Split.VALIDATION])
    return sum(bundles[number].size for number in free)


def _train_first(bundles: dict[int, SplitUnit], places: dict[int, SplitAssignment], salt: str) -> None:
    """Let what was drawn for validation train instead, the last of the draw first, until ten examples train."""
    missing = LEAST_TRAINED - sum(
        bundles[number].size for number, place in places.items() if place.split == Split.TRAIN
    )
    drawn = [number for number, place in places.items() if place is FREE[Split.VALIDATION]] if missing > 0 else []
    for number in sorted(drawn, key=lambda number: (-bundles[number].position(salt), bundles[number].name, number)):
        if missing <= 0:
            return
        places[number] = FREE[Split.TRAIN]
        missing -= bundles[number].size


def _leave_to_training(bundles: dict[int, SplitUnit], places: dict[int, SplitAssignment]) -> None:
    """Draw no bundle for the test that has more rows than a small test: shares are planned by bundles, not by rows."""
    largest = SMALLEST_TEST_SHARE * sum(bundle.size for bundle in bundles.values() if not bundle.strictness)
    for number, bundle in bundles.items():
        if bundle.size > max(1, largest) and not bundle.was_test and _is_drawn(bundle, places[number]):
            places[number] = FREE[Split.TRAIN]


def _is_drawn(bundle: SplitUnit, place: SplitAssignment) -> bool:
    return not bundle.strictness and place.split == Split.TEST


STRICTNESS = {None: 0, Split.TRAIN: 1, Split.VALIDATION: 2, Split.TEST: 3}
"""Which mark counts where two disagree: test before validation before train before none."""

MARKS = tuple(STRICTNESS)
