"""Selection: from what is known of each example to where it goes, or why it is left out. Pure, and blind to order.

Examples come sorted by id and are numbered so; all that is kept of one is numbers (hashes as 64 bits, 0 for none), so
that a million fit into the memory of a function. First come filters, then exact duplicates, conflicting answers, near
duplicates and caps, and last the splits: what shares a prompt, a subject, a conversation or a near duplicate stays
together. What a user marked as test is his own test set: nothing of it is taken away but exact duplicates.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from tuneloop.domain.evaluation import FEWEST_ROWS
from tuneloop.domain.examples import Split
from tuneloop.domain.groups import Groups
from tuneloop.domain.policy import LEAST_CHARACTERS, Policy
from tuneloop.domain.splitting import STRICTNESS, Place, Shares, place, plan_shares

MOST_CLOSED_ANSWERS = 200
FEWEST_PER_ANSWER = 2
MOST_ALIKE = 20
MOST_ALIKE_SHARE = 0.02
MARKS = sorted(STRICTNESS, key=lambda mark: STRICTNESS[mark])  # by strictness: none, train, validation, test
TEST_MARK = STRICTNESS[Split.TEST]
TRAIN_MARK = STRICTNESS[Split.TRAIN]


class Outcome(IntEnum):
    """Where an example goes, or why it is left out."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2
    REJECTED = 3
    NOT_APPROVED = 4
    OTHER_CATEGORY = 5
    OTHER_TIME = 6
    LOW_QUALITY = 7
    OTHER_KIND = 8
    TOO_SHORT = 9
    DUPLICATE = 10
    CONFLICTING = 11
    NEAR_DUPLICATE = 12
    OVER_CAP = 13
    KEPT_OUT = 14


SPLIT_OF = (Split.TRAIN, Split.VALIDATION, Split.TEST)
OUTCOME_OF = {Split.TRAIN: Outcome.TRAIN, Split.VALIDATION: Outcome.VALIDATION, Split.TEST: Outcome.TEST}


@dataclass
class Columns:
    """What selection knows of the examples, one array per field; `outcomes` says what the filters said."""

    outcomes: bytearray = field(default_factory=bytearray)
    marks: bytearray = field(default_factory=bytearray)  # places in MARKS
    approved: bytearray = field(default_factory=bytearray)
    corrections: bytearray = field(default_factory=bytearray)  # made of what users said about answers: never test
    characters: "array[int]" = field(default_factory=lambda: array("L"))
    unit: "array[int]" = field(default_factory=lambda: array("Q"))
    answer: "array[int]" = field(default_factory=lambda: array("Q"))
    normal: "array[int]" = field(default_factory=lambda: array("Q"))
    subject: "array[int]" = field(default_factory=lambda: array("Q"))
    group: "array[int]" = field(default_factory=lambda: array("Q"))
    category: "array[int]" = field(default_factory=lambda: array("Q"))
    bands: "list[array[int]]" = field(default_factory=list)  # one array per band of near duplicates

    def __len__(self) -> int:
        return len(self.outcomes)

    def live(self) -> Iterator[int]:
        """The numbers of the examples that nothing has left out so far."""
        return (number for number, outcome in enumerate(self.outcomes) if outcome == Outcome.TRAIN)

    def leave_out(self, number: int, why: Outcome) -> None:
        """Note why an example is left out."""
        self.outcomes[number] = why


@dataclass(frozen=True)
class Selected:
    """What came of it: the columns with their final outcomes, and what the report tells."""

    columns: Columns
    shares: Shares
    groups: int
    distinct_answers: int
    conflicting_prompts: int
    in_forms: int

    def units(self, outcome: Outcome) -> set[int]:
        """The prompts of a split."""
        return set(_of(self.columns.unit, self.columns.outcomes, outcome))

    def left_out(self) -> dict[str, int]:
        """How many examples were left out, by reason."""
        counts = Counter(self.columns.outcomes)
        return {why.name.lower(): counts[why] for why in Outcome if why > Outcome.TEST and counts[why]}

    def overlaps(self) -> dict[str, int]:
        """Examples of one split that share something with another split: 0 of each kind, or the selection is wrong."""
        columns = self.columns
        kinds = {"prompt": [columns.unit], "subject": [columns.subject], "conversation": [columns.group]}
        shared = kinds | {"exact": [columns.normal], "near_duplicate": columns.bands}
        return {kind: sum(_overlap(keys, columns.outcomes) for keys in arrays) for kind, arrays in shared.items()}


def _of(keys: Iterable[int], outcomes: bytearray, outcome: Outcome) -> Iterator[int]:
    return (key for key, each in zip(keys, outcomes, strict=True) if key and each == outcome)


def _overlap(keys: "array[int]", outcomes: bytearray) -> int:
    test = set(_of(keys, outcomes, Outcome.TEST))
    validation = set(_of(keys, outcomes, Outcome.VALIDATION))
    held = test | validation
    return len(test & validation) + sum(key in held for key in _of(keys, outcomes, Outcome.TRAIN))


def select(columns: Columns, policy: Policy, salt: str, held_out: set[int]) -> Selected:
    """Give each example its outcome; `held_out` are the prompts that an earlier export took for its test."""
    answers = len({columns.answer[number] for number in columns.live()})
    rows = columns.outcomes.count(Outcome.TRAIN)
    closed = is_closed(answers, rows)
    _leave_short(columns, policy, closed=closed)
    _leave_duplicates(columns)
    conflicts = _conflicts(columns)
    if not policy.conflicting:
        _leave_conflicting(columns, conflicts)
    forms = _forget_forms(columns)
    near = _near(columns)
    if not policy.near_duplicates:
        _leave_near(columns, near)
    _leave_over_caps(columns, policy)
    for keys in (columns.unit, columns.subject, columns.group):
        near.join_equal(columns.live(), keys)
    shares, groups = _divide(columns, near, policy, salt, held_out if policy.take_test else set())
    return Selected(columns, shares, groups, answers, len(conflicts), forms)


def is_closed(answers: int, examples: int) -> bool:
    """Whether so many different answers of so many examples are a closed set, as the classes of a classifier are."""
    return 0 < answers <= MOST_CLOSED_ANSWERS and examples >= FEWEST_PER_ANSWER * answers


def _leave_short(columns: Columns, policy: Policy, *, closed: bool) -> None:
    least = policy.min_user_characters
    if least is None:
        least = 0 if closed else LEAST_CHARACTERS
    if least:
        for number in columns.live():
            if columns.characters[number] < least and columns.marks[number] != TEST_MARK:
                columns.leave_out(number, Outcome.TOO_SHORT)


def _leave_duplicates(columns: Columns) -> None:
    """Of each conversation one stays, an approved one first; it takes the strictest of their marks."""
    kept: dict[int, int] = {}
    for number in columns.live():
        other = kept.setdefault(columns.normal[number], number)
        if other == number:
            continue
        mark = max(columns.marks[number], columns.marks[other])
        stays, goes = (number, other) if _is_better(columns, number, other) else (other, number)
        columns.marks[stays] = mark
        columns.leave_out(goes, Outcome.DUPLICATE)
        kept[columns.normal[number]] = stays


def _is_better(columns: Columns, number: int, other: int) -> bool:
    return columns.approved[number] > columns.approved[other]


def _conflicts(columns: Columns) -> set[int]:
    """The prompts that are answered in more than one way, the user's own test set aside."""
    first: dict[int, int] = {}
    found: set[int] = set()
    for number in columns.live():
        if columns.marks[number] != TEST_MARK:
            unit, answer = columns.unit[number], columns.answer[number]
            if first.setdefault(unit, answer) != answer:
                found.add(unit)
    return found


def _leave_conflicting(columns: Columns, conflicts: set[int]) -> None:
    if conflicts:
        for number in columns.live():
            is_open = not columns.approved[number] and columns.marks[number] != TEST_MARK
            if is_open and columns.unit[number] in conflicts:
                columns.leave_out(number, Outcome.CONFLICTING)


def _near(columns: Columns) -> Groups:
    near = Groups(len(columns))
    for band in columns.bands:
        near.join_equal(columns.live(), band)
    return near


def _forget_forms(columns: Columns) -> int:
    """Take their likeness from examples that are many alike: they fill in one form, and differ in what matters."""
    near = _near(columns)
    sizes = Counter(near.of(number) for number in columns.live())
    most = max(MOST_ALIKE, int(MOST_ALIKE_SHARE * sum(sizes.values())))
    forms = {group for group, size in sizes.items() if size > most}
    members = [number for number in columns.live() if near.of(number) in forms] if forms else []
    for band in columns.bands:
        for number in members:
            band[number] = 0
    return len(members)


def _leave_near(columns: Columns, near: Groups) -> None:
    """Of near duplicates that say the same one stays, an approved one first; held-out marks are left alone."""
    kept: dict[tuple[int, int], int] = {}
    for number in columns.live():
        if columns.marks[number] > TRAIN_MARK:
            continue
        place = near.of(number), columns.answer[number]
        other = kept.setdefault(place, number)
        if other == number:
            continue
        stays, goes = (number, other) if _is_better(columns, number, other) else (other, number)
        columns.leave_out(goes, Outcome.NEAR_DUPLICATE)
        kept[place] = stays


def _leave_over_caps(columns: Columns, policy: Policy) -> None:
    by_category: dict[int, int] = {}
    by_subject: dict[int, int] = {}
    taken = 0
    for number in columns.live():
        if columns.marks[number] > TRAIN_MARK:
            continue
        category, subject = columns.category[number], columns.subject[number]
        is_over = (
            _is_over(taken, policy.max_examples)
            or _is_over(by_category.get(category, 0), policy.max_per_category)
            or bool(subject and _is_over(by_subject.get(subject, 0), policy.max_per_subject))
        )
        if is_over:
            columns.leave_out(number, Outcome.OVER_CAP)
            continue
        taken += 1
        by_category[category] = by_category.get(category, 0) + 1
        by_subject[subject] = by_subject.get(subject, 0) + 1


def _is_over(count: int, cap: int | None) -> bool:
    return cap is not None and count >= cap


def _divide(columns: Columns, groups: Groups, policy: Policy, salt: str, held_out: set[int]) -> tuple[Shares, int]:
    """Give each group its split and each example its outcome; tells the shares and how many groups there are."""
    mark: dict[int, int] = {}
    name: dict[int, int] = {}
    size: dict[int, int] = {}
    was_test: set[int] = set()
    for number in columns.live():
        group, unit = groups.of(number), columns.unit[number]
        mark[group] = max(mark.get(group, 0), columns.marks[number])
        name[group] = min(name.get(group, unit), unit)
        size[group] = size.get(group, 0) + 1
        if unit in held_out:
            was_test.add(group)
    free = [group for group in mark if not mark[group]]
    shares = plan_shares(len(free), marked_test=TEST_MARK in mark.values() or not policy.take_test)
    places = {group: place(f"{name[group]:016x}", salt, shares) for group in free}
    taken = sum(size[group] for group in free if places[group] == Split.TEST or group in was_test)
    if shares.test and taken < FEWEST_ROWS:
        shares = Shares(shares.validation, 0.0)
        places = {group: place(f"{name[group]:016x}", salt, shares) for group in free}
    for number in columns.live():
        group = groups.of(number)
        columns.outcomes[number] = _outcome(columns, number, mark[group], places.get(group), group in was_test)
    return shares, len(mark)


def _outcome(columns: Columns, number: int, mark: int, free: Split | None, was_test: bool) -> Outcome:
    own = MARKS[columns.marks[number]]
    if was_test and mark <= TRAIN_MARK:
        split = Split.TEST if own is None else None
    else:
        marked = MARKS[mark]
        split = Place(marked or free or Split.TRAIN, marked is not None).takes(own)
    if split is None or (split == Split.TEST and columns.corrections[number]):
        return Outcome.KEPT_OUT
    return OUTCOME_OF[split]
