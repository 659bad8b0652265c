"""Splits: which examples train, which validate, and which are kept to prove the result.

The unit is the prompt: examples that ask the same thing, whatever their answers, case or spacing, land in the same
split, so that nothing the gate asks was seen in training; disjoint sets (union-find) join what a chain of shared keys
connects. A unit's split comes from a hash of the dataset's permanent
salt and the unit, never from a draw. Marks of the user's own (`split`, or a drop's folder) come first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import unit_interval
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LARGEST_SHARE, LATEST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.evaluation.statistics import alpha_per_look, rows_needed


class DisjointSets:
    """The numbers 0..n-1 in sets; at first each is alone. A set is known by its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, number: int) -> int:
        """The set of a number; the path to it is halved on the way, so that chains stay short."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def union(self, number: int, other: int) -> None:
        """Join the sets of two numbers."""
        number, other = self.find(number), self.find(other)
        if number < other:
            self._parent[other] = number
        elif other < number:
            self._parent[number] = other

    def union_equal(self, numbers: Iterable[int], keys: Sequence[int]) -> None:
        """Join the sets of the numbers that have the same key; 0 is no key."""
        first_of: dict[int, int] = {}
        for number in numbers:
            if key := keys[number]:
                first = first_of.setdefault(key, number)
                if first != number:
                    self.union(first, number)


SMALLEST_TEST_SHARE = 0.10
LARGEST_TEST_SHARE = LARGEST_SHARE  # what a policy may name at most, as most prompts are to train
# Of fewer units that nobody marked not even the largest share is expected to hold the rows that the gate takes: 50.
FEWEST_FOR_TEST = math.ceil(FEWEST_ROWS / LARGEST_TEST_SHARE)
# The test is planned to show a gain of 15 points where the versions differ on 30% of the rows. The rows that a smaller
# gain takes grow with its inverse square (`rows_needed`), and they train nothing.
PROVABLE_GAIN = 0.15
ASSUMED_DISCORDANCE = 0.30


@dataclass(frozen=True)
class Shares:
    """The parts of the unmarked units that go to validation and test; the rest trains."""

    validation: float
    test: float


def plan_shares(count: int, policy: Policy = DEFAULT, *, marked_test: bool) -> Shares:
    """The shares of so many unmarked units: the policy's, or for the test as much as shows a gain of 15 points.

    Planned are 80% power and 10 to 40%. There is no test where users marked one, or where there are too few units.
    """
    if marked_test or not policy.draws_test or count < FEWEST_FOR_TEST:
        return Shares(policy.validation, 0.0)
    if policy.test is not None:
        return Shares(policy.validation, policy.test)
    needed_share = rows_needed(PROVABLE_GAIN, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) / count
    return Shares(policy.validation, min(LARGEST_TEST_SHARE, max(SMALLEST_TEST_SHARE, needed_share)))


def expected_splits(examples: int, policy: Policy, marked: Mapping[Split, int]) -> dict[Split, int]:
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
    """Examples that stay in one split: their strictest mark, name, how many can be tested with, past, and size.

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

    def hash_split(self, salt: str, shares: Shares) -> SplitAssignment:
        """The unit's split: test where it is marked or was tested with, then other marks, then the hash of its name."""
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
    units: dict[int, SplitUnit], salt: str, policy: Policy, *, rules: int = LATEST_RULES
) -> tuple[Shares, dict[int, SplitAssignment]]:
    """Assign a split to each unit; return the shares of the unmarked ones, and the assignments.

    A planned test that would turn out too small to pass the gate is not taken, nor any that would leave too little to
    train on: what was no test before trains. By rules 2 nothing is drawn for validation before ten examples train.
    """
    free = sum(bool(unit.testable) and not unit.strictness for unit in units.values())
    is_marked = any(unit.strictness == STRICTNESS[Split.TEST] for unit in units.values())
    shares = plan_shares(free, policy, marked_test=is_marked)
    assignments = {number: unit.hash_split(salt, shares) for number, unit in units.items()}
    _leave_to_training(units, assignments)
    tested = sum(unit.testable for number, unit in units.items() if _is_drawn(unit, assignments[number]))
    is_small = policy.test is None and tested < FEWEST_ROWS
    if shares.test and (is_small or (rules > FIRST_RULES and _trainable(units, assignments) < LEAST_TRAINED)):
        shares = Shares(shares.validation, 0.0)
        assignments = {number: unit.hash_split(salt, shares) for number, unit in units.items()}
    if rules > FIRST_RULES:
        _train_first(units, assignments, salt)
    return shares, assignments


def _trainable(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment]) -> int:
    """How many examples train, or would if nothing were drawn for validation."""
    return sum(
        units[number].size
        for number, assignment in assignments.items()
        if assignment.split == Split.TRAIN or assignment is FREE[Split.VALIDATION]
    )


def _train_first(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment], salt: str) -> None:
    """Let what was drawn for validation train instead, the last of the draw first, until ten examples train."""
    missing = LEAST_TRAINED - sum(
        units[number].size for number, assignment in assignments.items() if assignment.split == Split.TRAIN
    )
    if missing <= 0:
        return
    drawn = [number for number, assignment in assignments.items() if assignment is FREE[Split.VALIDATION]]
    for number in sorted(drawn, key=lambda number: (-units[number].position(salt), units[number].name, number)):
        if missing <= 0:
            return
        assignments[number] = FREE[Split.TRAIN]
        missing -= units[number].size


def _leave_to_training(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment]) -> None:
    """Never draw a unit for the test that is larger than the smallest test: it would be most of the test by itself.

    Shares are planned over units, whatever their size.
    """
    largest = SMALLEST_TEST_SHARE * sum(unit.size for unit in units.values() if not unit.strictness)
    for number, unit in units.items():
        if unit.size > max(1, largest) and not unit.was_test and _is_drawn(unit, assignments[number]):
            assignments[number] = FREE[Split.TRAIN]


def _is_drawn(unit: SplitUnit, assignment: SplitAssignment) -> bool:
    return not unit.strictness and assignment.split == Split.TEST


STRICTNESS = {None: 0, Split.TRAIN: 1, Split.VALIDATION: 2, Split.TEST: 3}
"""Which mark counts where two disagree: test before validation before train before none."""

MARKS = tuple(STRICTNESS)
