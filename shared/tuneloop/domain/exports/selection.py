"""Selection: gives each example its split or the reason why it is left out, whatever order examples arrived in.

Filters come first, then exact duplicates, conflicting answers, near duplicates and caps, and the splits last: examples
that share a prompt, a subject, a conversation or near-equal wording stay in one split. Of a test set that users marked,
length, quality, time, near duplicates, conflicts and caps exclude nothing.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.exports.columns import OUTCOME_OF, SPLIT_OF, Columns, Outcome
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.exports.policy_filter import LengthLimit, length_limit
from tuneloop.domain.exports.splits import MARKS, STRICTNESS, DisjointSets, Shares, SplitUnit, assign

# A Jaccard similarity of 0.7, as signatures show it: of their parts that differ, one in sixteen agrees by chance.
LEAST_SIMILARITY = 0.7 + 0.3 / 16
# A component of more near duplicates than both limits is taken for a form that examples fill in. Held together, such
# examples would all land in one split, and of those with equal answers only one would stay.
MOST_ALIKE = 20
MOST_ALIKE_SHARE = 0.02
TEST_MARK = STRICTNESS[Split.TEST]
TRAIN_MARK = STRICTNESS[Split.TRAIN]


@dataclass(frozen=True)
class SelectionResult:
    """The result of a selection: the columns with their final outcomes, and the figures for the export.

    `boilerplate` counts the examples that fill in a form, of which too many are alike to be duplicates.
    """

    columns: Columns
    kind: ExampleKind
    length: LengthLimit
    shares: Shares
    groups: int
    distinct_answers: int
    conflicting_prompts: int
    boilerplate: int

    def test_prompts(self) -> set[int]:
        """The hashes of the test split's prompts, as they are and as they were before an edit."""
        columns = self.columns
        edited = (unit for number, unit in columns.origin.items() if columns.outcomes[number] == Outcome.TEST)
        return {*compress(columns.unit, columns.flags(Outcome.TEST)), *edited}

    def marked_counts(self) -> dict[Split, int]:
        """How many examples validate and test because users marked them for it."""
        columns = self.columns
        pairs = Counter(zip(columns.marks, columns.outcomes, strict=True))
        held_out = (Split.VALIDATION, Split.TEST)
        return {split: count for split in held_out if (count := pairs[STRICTNESS[split], OUTCOME_OF[split]])}

    def exclusion_counts(self) -> dict[str, int]:
        """How many examples were left out, by reason."""
        counts = Counter(self.columns.outcomes)
        return {reason.name.lower(): counts[reason] for reason in Outcome if reason > Outcome.TEST and counts[reason]}

    def overlaps(self) -> dict[str, int]:
        """How many examples share something with another split, by kind; all are 0, or the selection is wrong."""
        columns = self.columns
        kinds = {"prompt": [columns.unit], "subject": [columns.subject], "conversation": [columns.group]}
        shared = kinds | {"exact": [columns.normal], "near_duplicate": columns.bands}
        splits = [columns.flags(outcome) for outcome in (Outcome.TRAIN, Outcome.VALIDATION, Outcome.TEST)]
        counts = {kind: sum(_count_overlap(keys, *splits) for keys in arrays) for kind, arrays in shared.items()}
        return counts | {"prompt": counts["prompt"] + self._edited_overlap()}

    def _edited_overlap(self) -> int:
        """How many edited examples had a prompt before the edit that another split has now, or had before an edit."""
        columns, splits = self.columns, {int(outcome) for outcome in OUTCOME_OF.values()}
        edited = {number: unit for number, unit in columns.origin.items() if columns.outcomes[number] in splits}
        places: dict[int, set[int]] = {unit: set() for unit in edited.values()}
        for unit, outcome in zip(columns.unit, columns.outcomes, strict=True):
            if unit in places and outcome in splits:
                places[unit].add(outcome)
        for number, unit in edited.items():
            places[unit].add(columns.outcomes[number])
        return sum(len(places[unit]) > 1 for unit in edited.values())


def _count_overlap(keys: "array[int]", train: bytes, validation: bytes, test: bytes) -> int:
    tests, validations = set(compress(keys, test)) - {0}, set(compress(keys, validation)) - {0}
    held_out = tests | validations
    return len(tests & validations) + sum(map(held_out.__contains__, compress(keys, train)))


def select(
    columns: Columns,
    policy: Policy,
    salt: str,
    held_out: set[int],
    *,
    seen: Iterable[Fingerprint] = (),
    rules: int = LATEST_RULES,
) -> SelectionResult:
    """Give each example its outcome, and return the result with its figures.

    `held_out` are the hashes of prompts that earlier exports took for their tests, `seen` the rows that versions have
    seen, which are drawn for no test.
    """
    applied = exclude_unwanted(columns, policy, rules)
    columns.mark_former_test(held_out)
    columns.mark_seen(seen)
    _exclude_duplicates(columns)
    # A prompt may well have several preference pairs with one preferred answer: no conflicts, and no duplicates.
    pairs = applied.kind == ExampleKind.PREFERENCE
    conflicts: set[tuple[int, int]] = set() if pairs else _conflicts(columns)
    if not policy.conflicting:
        _exclude_conflicting(columns, conflicts)
    components, boilerplate = _components_without_boilerplate(columns)
    if not (pairs or policy.near_duplicates):
        _exclude_near_duplicates(columns, components)
    exclude_over_caps(columns, policy)
    for keys in (columns.unit, columns.subject, columns.group):
        components.union_equal(columns.live(), keys)
    _join_edited(columns, components)
    shares, groups = _divide(columns, components, policy, salt, rules)
    return SelectionResult(
        columns, applied.kind, applied.length, shares, groups, applied.answers, len(conflicts), boilerplate
    )


class AppliedPolicy(NamedTuple):
    """The kind and least length that a policy, or else the data, has settled, and the number of different answers."""

    kind: ExampleKind
    length: LengthLimit
    answers: int


def exclude_unwanted(columns: Columns, policy: Policy, rules: int) -> AppliedPolicy:
    """Exclude examples of the other kind and examples that are too short, by the policy or by what the data is."""
    kind = policy.kind or _kind(columns)
    _exclude_other_kind(columns, kind)
    live = columns.flags(Outcome.TRAIN)
    answers = len(set(compress(columns.answer, live)))
    lengths = [
        length
        for length, mark in compress(zip(columns.characters, columns.marks, strict=True), live)
        if mark != TEST_MARK
    ]
    length = length_limit(
        policy,
        answers=answers,
        lengths=len(lengths),
        short=sum(length < LEAST_CHARACTERS for length in lengths),
        examples=live.count(1),
        rules=rules,
    )
    _exclude_short(columns, length.characters)
    return AppliedPolicy(kind, length, answers)


def _kind(columns: Columns) -> ExampleKind:
    """The kind for a policy that names none: preference if only preference pairs are left, else supervised."""
    live = columns.flags(Outcome.TRAIN)
    return ExampleKind.PREFERENCE if 1 in live and all(compress(columns.preference, live)) else ExampleKind.SUPERVISED


def _exclude_other_kind(columns: Columns, kind: ExampleKind) -> None:
    takes_pairs = kind == ExampleKind.PREFERENCE
    for number in columns.live():
        if columns.preference[number] != takes_pairs:
            columns.leave_out(number, Outcome.OTHER_KIND)


def _exclude_short(columns: Columns, least: int) -> None:
    if least:
        for number in columns.live():
            if columns.characters[number] < least and columns.marks[number] != TEST_MARK:
                columns.leave_out(number, Outcome.TOO_SHORT)


def _exclude_duplicates(columns: Columns) -> None:
    """Exclude all but one of equal conversations; the one that stays takes the strictest of their marks."""
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
    return _rank(columns, number) > _rank(columns, other)


def _rank(columns: Columns, number: int) -> tuple[int, bool, int]:
    """The rank by which one of two duplicates stays: a former test row first, then one that isn't from feedback.

    Rows made from feedback may not be in a test. Of two that are equal in this, an approved one stays.
    """
    return columns.was_test[number], not columns.feedback[number], columns.approved[number]


def _is_held_out(columns: Columns, number: int) -> bool:
    """Whether an example is marked to validate or test, or was in an earlier test."""
    return columns.marks[number] > TRAIN_MARK or bool(columns.was_test[number])


def _conflicts(columns: Columns) -> set[tuple[int, int]]:
    """The prompts, each with its context, that have more than one answer; examples marked as test don't count."""
    first: dict[tuple[int, int], int] = {}
    conflicts: set[tuple[int, int]] = set()
    for number in columns.live():
        if columns.marks[number] != TEST_MARK:
            prompt_key, answer = (columns.unit[number], columns.frame[number]), columns.answer[number]
            if first.setdefault(prompt_key, answer) != answer:
                conflicts.add(prompt_key)
    return conflicts


def _exclude_conflicting(columns: Columns, conflicts: set[tuple[int, int]]) -> None:
    if conflicts:
        for number in columns.live():
            is_open = not columns.approved[number] and columns.marks[number] != TEST_MARK
            if is_open and (columns.unit[number], columns.frame[number]) in conflicts:
                columns.leave_out(number, Outcome.CONFLICTING)


def _near_duplicate_components(columns: Columns) -> DisjointSets:
    """The sets of examples that chains of equal MinHash bands connect; examples that are left out connect nothing."""
    components = DisjointSets(len(columns))
    for band in columns.bands:
        components.union_equal(columns.live(), band)
    return components


def boilerplate_groups(columns: Columns, components: DisjointSets) -> set[int]:
    """The components of so many examples that they are taken for a form that is filled in, not for near duplicates."""
    sizes = Counter(components.find(number) for number in columns.live())
    most = max(MOST_ALIKE, int(MOST_ALIKE_SHARE * sum(sizes.values())))
    return {group for group, size in sizes.items() if size > most}


def _components_without_boilerplate(columns: Columns) -> tuple[DisjointSets, int]:
    """The components of near duplicates after clearing the bands of boilerplate, and how many examples that was."""
    components = _near_duplicate_components(columns)
    groups = boilerplate_groups(columns, components)
    if not groups:
        return components, 0
    members = [number for number in columns.live() if components.find(number) in groups]
    for band in columns.bands:
        for number in members:
            band[number] = 0
    return _near_duplicate_components(columns), len(members)


def forget_boilerplate(columns: Columns, outcomes: bytearray) -> None:
    """Set the outcomes of a former selection, and clear the bands of the examples that were boilerplate in it.

    The columns hold the examples that the selection had not left out when it looked for near duplicates. Some may have
    been erased since, so that a group of boilerplate looks smaller than it was. But near duplicates never go into two
    splits, so a component that lies in two splits was boilerplate.
    """
    components, _ = _components_without_boilerplate(columns)
    columns.outcomes = outcomes
    splits: dict[int, set[int]] = {}
    for number, outcome in enumerate(outcomes):
        if outcome in SPLIT_OF:
            splits.setdefault(components.find(number), set()).add(outcome)
    for number in range(len(columns)):
        if len(splits.get(components.find(number), ())) > 1:
            for band in columns.bands:
                band[number] = 0


def _exclude_near_duplicates(columns: Columns, components: DisjointSets) -> None:
    """Exclude all but one of the near duplicates with equal answer and context; held-out examples all stay."""
    kept: dict[tuple[int, int, int], int] = {}
    for number in columns.live():
        if _is_held_out(columns, number):
            continue
        key = components.find(number), columns.answer[number], columns.frame[number]
        other = kept.setdefault(key, number)
        if other == number:
            continue
        if columns.similarity(number, other) < LEAST_SIMILARITY:
            continue
        stays, goes = (number, other) if _is_better(columns, number, other) else (other, number)
        columns.leave_out(goes, Outcome.NEAR_DUPLICATE)
        kept[key] = stays


def exclude_over_caps(columns: Columns, policy: Policy) -> None:
    """Exclude the examples beyond the policy's caps, in the order of ids; held-out examples count towards no cap."""
    if policy.max_examples is policy.max_per_category is policy.max_per_subject is None:
        return
    by_category: Counter[int] = Counter()
    by_subject: Counter[int] = Counter()
    taken = 0
    for number in columns.live():
        if _is_held_out(columns, number):
            continue
        category, subject = columns.category[number], columns.subject[number]
        is_over = (
            _is_over(taken, policy.max_examples)
            or _is_over(by_category[category], policy.max_per_category)
            or bool(subject and _is_over(by_subject[subject], policy.max_per_subject))
        )
        if is_over:
            columns.leave_out(number, Outcome.OVER_CAP)
            continue
        taken += 1
        by_category[category] += 1
        by_subject[subject] += 1


def _join_edited(columns: Columns, groups: DisjointSets) -> None:
    """Join edited examples with those that have the prompt from before the edit, edited or not.

    Otherwise a version could be tested with a question that it was trained on before a reviewer reworded it.
    """
    live = columns.flags(Outcome.TRAIN)
    first: dict[int, int] = {}
    for number, unit in columns.origin.items():
        if live[number] and first.setdefault(unit, number) != number:
            groups.union(first[unit], number)
    if first:
        for number in columns.live():
            if (edited := first.get(columns.unit[number])) is not None:
                groups.union(edited, number)


def _is_over(count: int, cap: int | None) -> bool:
    return cap is not None and count >= cap


def _divide(columns: Columns, groups: DisjointSets, policy: Policy, salt: str, rules: int) -> tuple[Shares, int]:
    """Give each group its split and each example its outcome; return the shares and the number of groups."""
    units: dict[int, SplitUnit] = {}
    # Flags by group. Seen examples count even if they were left out since, as a near duplicate of one may have stayed.
    seen = bytearray(len(columns))
    for number in compress(range(len(columns)), columns.was_seen):
        seen[groups.find(number)] = 1
    for number in columns.live():
        group, mark, name = groups.find(number), columns.marks[number], _unit_name(columns, number)
        was_test = bool(columns.was_test[number])
        if split_unit := units.get(group):
            split_unit.strictness = max(split_unit.strictness, mark)
            split_unit.name = min(split_unit.name, name)
            split_unit.testable += not columns.feedback[number]
            split_unit.was_test = split_unit.was_test or was_test
            split_unit.size += 1
        else:
            units[group] = SplitUnit(mark, name, not columns.feedback[number], was_test, bool(seen[group]))
    shares, assignments = assign(units, salt, policy, rules=rules)
    for number in columns.live():
        split = assignments[groups.find(number)].takes(MARKS[columns.marks[number]])
        # An example of an earlier test may not train, and a policy without a drawn test has no place for it.
        is_unwanted = not policy.draws_test and columns.marks[number] != TEST_MARK
        is_kept_out = split == Split.TEST and (columns.feedback[number] or is_unwanted)
        columns.outcomes[number] = Outcome.KEPT_OUT if split is None or is_kept_out else OUTCOME_OF[split]
    return shares, len(units)


def _unit_name(columns: Columns, number: int) -> tuple[int, int]:
    """The name that an example gives to its group: its subject, else its conversation, else its prompt.

    The smallest name of a group's examples is the group's; the number in front puts subjects first.
    """
    if subject := columns.subject[number]:
        return 0, subject
    if conversation := columns.group[number]:
        return 1, conversation
    return 2, columns.unedited_unit(number)
