"""Selection: where each example goes, or why it is left out, whatever order examples arrived in.

First come filters, then exact duplicates, conflicting answers, near duplicates and caps, and last the splits: what
shares a prompt, a subject, a conversation or a near duplicate stays together. What a user marked as test is his own
test set: nothing of it is taken away but exact duplicates.
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

LEAST_SIMILARITY = 0.7 + 0.3 / 16  # a Jaccard similarity of 0.7: of what differs a sixteenth agrees by chance
# Beyond so many, or this share of all, near duplicates are taken for a form that examples fill in: held together, they
# would all land in one split, and of those with equal answers one alone would stay.
MOST_ALIKE = 20
MOST_ALIKE_SHARE = 0.02
TEST_MARK = STRICTNESS[Split.TEST]
TRAIN_MARK = STRICTNESS[Split.TRAIN]


@dataclass(frozen=True)
class Selected:
    """The result of a selection: the columns with their final outcomes, and the figures of its report.

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
        """The prompts of the test split, as they are and as they were before an edit."""
        columns = self.columns
        edited = (unit for number, unit in columns.origin.items() if columns.outcomes[number] == Outcome.TEST)
        return {*compress(columns.unit, columns.which(Outcome.TEST)), *edited}

    def marked_counts(self) -> dict[Split, int]:
        """How many examples validate and test because their users marked them so."""
        columns = self.columns
        pairs = Counter(zip(columns.marks, columns.outcomes, strict=True))
        held = (Split.VALIDATION, Split.TEST)
        return {split: count for split in held if (count := pairs[STRICTNESS[split], OUTCOME_OF[split]])}

    def exclusion_counts(self) -> dict[str, int]:
        """How many examples were left out, by reason."""
        counts = Counter(self.columns.outcomes)
        return {why.name.lower(): counts[why] for why in Outcome if why > Outcome.TEST and counts[why]}

    def overlaps(self) -> dict[str, int]:
        """Examples of one split that share something with another split: 0 of each kind, or the selection is wrong."""
        columns = self.columns
        kinds = {"prompt": [columns.unit], "subject": [columns.subject], "conversation": [columns.group]}
        shared = kinds | {"exact": [columns.normal], "near_duplicate": columns.bands}
        splits = [columns.which(outcome) for outcome in (Outcome.TRAIN, Outcome.VALIDATION, Outcome.TEST)]
        counts = {kind: sum(_overlap(keys, *splits) for keys in arrays) for kind, arrays in shared.items()}
        return counts | {"prompt": counts["prompt"] + self._edited_overlap()}

    def _edited_overlap(self) -> int:
        """Edited examples whose prompt before the edit is another split's, as it is or as it was."""
        columns, splits = self.columns, {int(outcome) for outcome in OUTCOME_OF.values()}
        edited = {number: unit for number, unit in columns.origin.items() if columns.outcomes[number] in splits}
        places: dict[int, set[int]] = {unit: set() for unit in edited.values()}
        for unit, outcome in zip(columns.unit, columns.outcomes, strict=True):
            if unit in places and outcome in splits:
                places[unit].add(outcome)
        for number, unit in edited.items():
            places[unit].add(columns.outcomes[number])
        return sum(len(places[unit]) > 1 for unit in edited.values())


def _overlap(keys: "array[int]", train: bytes, validation: bytes, test: bytes) -> int:
    tests, validations = set(compress(keys, test)) - {0}, set(compress(keys, validation)) - {0}
    held = tests | validations
    return len(tests & validations) + sum(map(held.__contains__, compress(keys, train)))


def select(
    columns: Columns,
    policy: Policy,
    salt: str,
    held_out: set[int],
    *,
    seen: Iterable[Fingerprint] = (),
    rules: int = LATEST_RULES,
) -> Selected:
    """Give each example its outcome.

    `held_out` are the prompts that an earlier export took for its test, `seen` the rows that versions have seen.
    """
    applied = leave_unwanted(columns, policy, rules)
    columns.note_past(held_out)
    columns.note_seen(seen)
    _leave_duplicates(columns)
    # Of preference pairs a prompt may well have several, with the same preferred answer.
    pairs = applied.kind == ExampleKind.PREFERENCE
    conflicts: set[tuple[int, int]] = set() if pairs else _conflicts(columns)
    if not policy.conflicting:
        _leave_conflicting(columns, conflicts)
    components, boilerplate = _components_without_boilerplate(columns)
    if not (pairs or policy.near_duplicates):
        _leave_near(columns, components)
    leave_over_caps(columns, policy)
    for keys in (columns.unit, columns.subject, columns.group):
        components.union_equal(columns.live(), keys)
    _join_edited(columns, components)
    shares, groups = _divide(columns, components, policy, salt, rules)
    return Selected(columns, applied.kind, applied.length, shares, groups, applied.answers, len(conflicts), boilerplate)


class AppliedPolicy(NamedTuple):
    """What a policy comes to, once all that passes its filters is known: kind, least length, different answers."""

    kind: ExampleKind
    length: LengthLimit
    answers: int


def leave_unwanted(columns: Columns, policy: Policy, rules: int) -> AppliedPolicy:
    """Leave out examples of the other kind and those that are too short, as far as the policy or the data says so."""
    kind = policy.kind or _kind(columns)
    _leave_other_kind(columns, kind)
    live = columns.which(Outcome.TRAIN)
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
    _leave_short(columns, length.characters)
    return AppliedPolicy(kind, length, answers)


def _kind(columns: Columns) -> ExampleKind:
    """Preference where nothing else is left, else supervised."""
    live = columns.which(Outcome.TRAIN)
    return ExampleKind.PREFERENCE if 1 in live and all(compress(columns.preference, live)) else ExampleKind.SUPERVISED


def _leave_other_kind(columns: Columns, kind: ExampleKind) -> None:
    takes_pairs = kind == ExampleKind.PREFERENCE
    for number in columns.live():
        if columns.preference[number] != takes_pairs:
            columns.leave_out(number, Outcome.OTHER_KIND)


def _leave_short(columns: Columns, least: int) -> None:
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
    return _rank(columns, number) > _rank(columns, other)


def _rank(columns: Columns, number: int) -> tuple[int, bool, int]:
    """What was tested with stays, then what feedback didn't make, which no test may hold, then what was approved."""
    return columns.was_test[number], not columns.feedback[number], columns.approved[number]


def _is_tested(columns: Columns, number: int) -> bool:
    """Whether an example is marked to be held out, or was held out before."""
    return columns.marks[number] > TRAIN_MARK or bool(columns.was_test[number])


def _conflicts(columns: Columns) -> set[tuple[int, int]]:
    """The prompts that are answered in more than one way under one system prompt, the user's own test set aside."""
    first: dict[tuple[int, int], int] = {}
    conflicts: set[tuple[int, int]] = set()
    for number in columns.live():
        if columns.marks[number] != TEST_MARK:
            prompt_key, answer = (columns.unit[number], columns.frame[number]), columns.answer[number]
            if first.setdefault(prompt_key, answer) != answer:
                conflicts.add(prompt_key)
    return conflicts


def _leave_conflicting(columns: Columns, conflicts: set[tuple[int, int]]) -> None:
    if conflicts:
        for number in columns.live():
            is_open = not columns.approved[number] and columns.marks[number] != TEST_MARK
            if is_open and (columns.unit[number], columns.frame[number]) in conflicts:
                columns.leave_out(number, Outcome.CONFLICTING)


def _near_duplicate_components(columns: Columns) -> DisjointSets:
    """The examples that chains of equal MinHash bands join; what is left out joins nothing."""
    components = DisjointSets(len(columns))
    for band in columns.bands:
        components.union_equal(columns.live(), band)
    return components


def boilerplate_groups(columns: Columns, components: DisjointSets) -> set[int]:
    """The components of very many examples: they fill in one form, and differ in what matters."""
    sizes = Counter(components.find(number) for number in columns.live())
    most = max(MOST_ALIKE, int(MOST_ALIKE_SHARE * sum(sizes.values())))
    return {group for group, size in sizes.items() if size > most}


def _components_without_boilerplate(columns: Columns) -> tuple[DisjointSets, int]:
    """The components of near duplicates once the bands of boilerplate are forgotten, and how many examples it is."""
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
    """Set the outcomes of a selection, and forget the bands of what was boilerplate in it.

    The columns are of the examples that the selection had not left out by then. Some of them may be gone since, and a
    group of boilerplate may look smaller than it was; but near duplicates never went into two splits, so a component
    that lies in two was boilerplate.
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


def _leave_near(columns: Columns, components: DisjointSets) -> None:
    """Of near duplicates that say the same one stays, an approved one first; held-out marks are left alone."""
    kept: dict[tuple[int, int, int], int] = {}
    for number in columns.live():
        if _is_tested(columns, number):
            continue
        place = components.find(number), columns.answer[number], columns.frame[number]
        other = kept.setdefault(place, number)
        if other == number:
            continue
        if columns.similarity(number, other) < LEAST_SIMILARITY:
            continue
        stays, goes = (number, other) if _is_better(columns, number, other) else (other, number)
        columns.leave_out(goes, Outcome.NEAR_DUPLICATE)
        kept[place] = stays


def leave_over_caps(columns: Columns, policy: Policy) -> None:
    """Leave out what is beyond the policy's caps, in the order of ids; what tests or validates counts for none."""
    if policy.max_examples is policy.max_per_category is policy.max_per_subject is None:
        return
    by_category: Counter[int] = Counter()
    by_subject: Counter[int] = Counter()
    taken = 0
    for number in columns.live():
        if _is_tested(columns, number):
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
    """Join what was edited with what still asks as it did, and with what was edited from the same prompt.

    Else a version could be tested with a question that it was trained on before a reviewer changed its wording.
    """
    live = columns.which(Outcome.TRAIN)
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
    """Give each group its split and each example its outcome; tells the shares and how many groups there are."""
    units: dict[int, SplitUnit] = {}
    seen = bytearray(len(columns))  # by group, and also what was left out since: a near duplicate of it may stay
    for number in compress(range(len(columns)), columns.was_seen):
        seen[groups.find(number)] = 1
    for number in columns.live():
        group, mark, name = groups.find(number), columns.marks[number], _name(columns, number)
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
        is_unwanted = not policy.draws_test and columns.marks[number] != TEST_MARK  # but it was tested with
        is_kept_out = split == Split.TEST and (columns.feedback[number] or is_unwanted)
        columns.outcomes[number] = Outcome.KEPT_OUT if split is None or is_kept_out else OUTCOME_OF[split]
    return shares, len(units)


def _name(columns: Columns, number: int) -> tuple[int, int]:
    """What names an example's group, the smallest one counting: its subject, conversation or prompt."""
    if subject := columns.subject[number]:
        return 0, subject
    if conversation := columns.group[number]:
        return 1, conversation
    return 2, columns.first_unit(number)
