"""Splits: which examples train, which validate, and which are held out to test a version.

The unit of a split is a group of examples that must stay together. Examples that ask the same thing, whatever their
answers, case or spacing, are in one group, so that no question of the test was seen in training; disjoint sets
(union-find) join what a chain of shared keys connects. A group's split comes from a hash of the dataset's permanent
salt and the group's name, never from a random draw. The users' own marks (`split`, or the folder of a drop) come first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import unit_interval
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LARGEST_SHARE, LATEST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.evaluation.statistics import alpha_per_look, rows_needed

SMALLEST_TEST_SHARE = 0.10
LARGEST_TEST_SHARE = LARGEST_SHARE  # the largest that a policy may name, as most prompts are to train
# With fewer unmarked units (50), even the largest share isn't expected to hold the 20 rows that the gate takes.
FEWEST_FOR_TEST = math.ceil(FEWEST_ROWS / LARGEST_TEST_SHARE)
# The test is planned to show a gain of 15 points where the versions differ on 30% of the rows. The rows that a smaller
# gain takes grow with its inverse square (`rows_needed`), and they train nothing.
PROVABLE_GAIN = 0.15
ASSUMED_DISCORDANCE = 0.30
# The mark that counts where two marks of a group disagree is the stricter one: a row that a user holds out must not
# train, whatever its twin's mark says.
STRICTNESS = {None: 0, Split.TRAIN: 1, Split.VALIDATION: 2, Split.TEST: 3}
MARKS = tuple(STRICTNESS)


class DisjointSets:
    """The numbers 0..n-1 in disjoint sets (union-find), at first each alone; a set's smallest member names it."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, number: int) -> int:
        """The smallest member of the number's set; halves the path on the way, so that chains stay short."""
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
        """Join the sets of those `numbers` whose `keys` are equal; 0 is no key."""
        first_of: dict[int, int] = {}
        for number in numbers:
            if key := keys[number]:
                first = first_of.setdefault(key, number)
                if first != number:
                    self.union(first, number)


@dataclass(frozen=True)
class Shares:
    """The shares of the unmarked units that validate and test; the rest trains."""

    validation: float
    test: float


@dataclass(frozen=True)
class SplitAssignment:
    """The split of a group; an example whose own mark names another split is kept out of all.

    If the group is held out only because some of its examples are marked so, only the marked ones go there.
    """

    split: Split
    is_marked: bool

    def takes(self, mark: Split | None) -> Split | None:
        """The split of one example of the group, by its mark; None if the example has to be kept out of all."""
        is_free = mark is None and (not self.is_marked or self.split == Split.TRAIN)
        return self.split if is_free or mark == self.split else None


UNMARKED = {split: SplitAssignment(split, is_marked=False) for split in Split}


@dataclass(slots=True)
class SplitUnit:
    """A group of examples that stay in one split.

    `strictness` is that of the strictest mark, `size` the number of examples, `testable` of those not from feedback.
    `name` is the smallest subject, else conversation, else prompt of the group, so that the group stays in its split as
    it grows. `was_test` is set if an earlier export tested with one of them, `was_seen` if a version has seen one.
    """

    strictness: int
    name: tuple[int, int]
    testable: int
    was_test: bool
    was_seen: bool = False
    size: int = 1

    def position(self, salt: str) -> float:
        """The position in the unit interval that the hash of salt and name gives the unit."""
        return unit_interval(salt, f"{self.name[1]:016x}")

    def hash_split(self, salt: str, shares: Shares) -> SplitAssignment:
        """The unit's split: test if it is marked so or was tested with, else by another mark, else by its position."""
        mark = MARKS[self.strictness]
        if mark == Split.TEST:
            return SplitAssignment(mark, is_marked=True)
        if self.was_test:
            return UNMARKED[Split.TEST]
        if mark:
            return SplitAssignment(mark, is_marked=True)
        split = split_at(self.position(salt), shares)
        is_fit = bool(self.testable) and not self.was_seen
        return UNMARKED[split if split != Split.TEST or is_fit else Split.TRAIN]


def plan_shares(count: int, policy: Policy = DEFAULT, *, marked_test: bool) -> Shares:
    """The shares of `count` unmarked units: the policy's, or a test share that can show a gain of 15 points.

    The test is planned for a power of 80%, within 10 to 40% of the units. There is none if users marked one, or if
    there are too few units.
    """
    if marked_test or not policy.draws_test or count < FEWEST_FOR_TEST:
        return Shares(policy.validation, 0.0)
    if policy.test is not None:
        return Shares(policy.validation, policy.test)
    needed_share = rows_needed(PROVABLE_GAIN, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) / count
    return Shares(policy.validation, min(LARGEST_TEST_SHARE, max(SMALLEST_TEST_SHARE, needed_share)))


def expected_splits(examples: int, policy: Policy, marked: Mapping[Split, int]) -> dict[Split, int]:
    """The expected number of examples in each split, by the latest rules; the `marked` ones are among `examples`."""
    free = examples - sum(marked.values())
    shares = plan_shares(free, policy, marked_test=bool(marked.get(Split.TEST)))
    test = round(shares.test * free)
    missing = max(0, LEAST_TRAINED - marked.get(Split.TRAIN, 0))  # examples that train before any validates
    validation = min(round(shares.validation * free), max(0, free - test - missing))
    held_out = {
        Split.VALIDATION: validation + marked.get(Split.VALIDATION, 0),
        Split.TEST: test + marked.get(Split.TEST, 0),
    }
    return {Split.TRAIN: examples - sum(held_out.values()), **held_out}


def split_at(position: float, shares: Shares) -> Split:
    """The split at a position of the unit interval: test at the low end, validation next, and the rest trains."""
    if position < shares.test:
        return Split.TEST
    return Split.VALIDATION if position < shares.test + shares.validation else Split.TRAIN


def assign(
    units: dict[int, SplitUnit], salt: str, policy: Policy, *, rules: int = LATEST_RULES
) -> tuple[Shares, dict[int, SplitAssignment]]:
    """Assign a split to each unit; return the shares of the unmarked units, and the assignments by number.

    No test is drawn if it would be too small for the gate (unless the policy names its share), or if it would leave too
    few examples to train on; units of earlier tests stay test all the same. By rules 2, no unit validates before ten
    examples train.
    """
    free = sum(bool(unit.testable) and not unit.strictness for unit in units.values())
    is_marked = any(unit.strictness == STRICTNESS[Split.TEST] for unit in units.values())
    shares = plan_shares(free, policy, marked_test=is_marked)
    assignments = {number: unit.hash_split(salt, shares) for number, unit in units.items()}
    _train_oversized_units(units, assignments)
    drawn = sum(unit.testable for number, unit in units.items() if _is_drawn(unit, assignments[number]))
    is_small = policy.test is None and drawn < FEWEST_ROWS
    if shares.test and (is_small or (rules > FIRST_RULES and _trainable(units, assignments) < LEAST_TRAINED)):
        shares = Shares(shares.validation, 0.0)
        assignments = {number: unit.hash_split(salt, shares) for number, unit in units.items()}
    if rules > FIRST_RULES:
        _fill_training(units, assignments, salt)
    return shares, assignments


def _trainable(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment]) -> int:
    """How many examples train, or would train if no unit were drawn for validation."""
    return sum(
        units[number].size
        for number, assignment in assignments.items()
        if assignment.split == Split.TRAIN or assignment is UNMARKED[Split.VALIDATION]
    )


def _fill_training(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment], salt: str) -> None:
    """Move units from validation to training, those at the highest positions first, until ten examples train."""
    missing = LEAST_TRAINED - sum(
        units[number].size for number, assignment in assignments.items() if assignment.split == Split.TRAIN
    )
    if missing <= 0:
        return
    drawn = [number for number, assignment in assignments.items() if assignment is UNMARKED[Split.VALIDATION]]
    for number in sorted(drawn, key=lambda number: (-units[number].position(salt), units[number].name, number)):
        if missing <= 0:
            return
        assignments[number] = UNMARKED[Split.TRAIN]
        missing -= units[number].size


def _train_oversized_units(units: dict[int, SplitUnit], assignments: dict[int, SplitAssignment]) -> None:
    """Move units that are larger than the smallest test share from the drawn test to training.

    Shares are planned over units, whatever their size, so one large unit could be most of a test by itself.
    """
    largest = SMALLEST_TEST_SHARE * sum(unit.size for unit in units.values() if not unit.strictness)
    for number, unit in units.items():
        if unit.size > max(1, largest) and not unit.was_test and _is_drawn(unit, assignments[number]):
            assignments[number] = UNMARKED[Split.TRAIN]


def _is_drawn(unit: SplitUnit, assignment: SplitAssignment) -> bool:
    return not unit.strictness and assignment.split == Split.TEST
