"""Exact statistics of a dataset's examples at one revision, computed in one pass over the examples.

Corrections and confirmations, which are made from users' feedback, are counted apart from the other sources.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import compress
from typing import Any, NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import Name
from tuneloop.domain.datasets.origins import Origin
from tuneloop.domain.datasets.policy import LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.datasets.reviews import Status
from tuneloop.domain.exports.columns import IS_IN_SPLIT, Columns, Outcome
from tuneloop.domain.exports.exclusions import Exclusion, exclusions_of
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.policy_filter import Candidate, example_filter
from tuneloop.domain.exports.selection import exclude_over_caps, exclude_unwanted
from tuneloop.domain.exports.splits import MARKS, STRICTNESS

MARK_OF: dict[str | None, int] = {split and split.value: STRICTNESS[split] for split in MARKS}
BEFORE_DUPLICATES_NOTE = (
    "Usable examples are counted before duplicates and conflicts; an export says what it took of them."
)
BUCKETS = tuple(1 << power for power in range(6, 18))  # tokens: up to 64, 128, ... 131,072
# Together these keep the row of the statistics well within DynamoDB's 400 KB.
MOST_NAMES = 500
LONGEST_NAME = 100


class ExampleRow(NamedTuple):
    """One example as it is counted; `outcome` is its outcome in the revision's export, None if there is no export.

    `answer` and `subject` are 64-bit hashes, 0 for none, `characters` how many characters its users say.
    """

    candidate: Candidate
    preference: bool
    tokens: int
    characters: int = LEAST_CHARACTERS
    answer: int = 0
    subject: int = 0
    outcome: Outcome | None = None


class GroupStatistics(BaseModel):
    """Figures of a group of examples: how many, how many are usable, and the average of the qualities given."""

    examples: int = 0
    usable: int = 0
    average_quality: float | None = None


class Bucket(BaseModel):
    """How many examples have at most `up_to` tokens and more than the bucket before; the last bucket has no limit."""

    up_to: int | None = None
    examples: int


class Tokens(BaseModel):
    """The tokens of the examples, by o200k_base."""

    total: int = 0
    p50: int = 0
    p95: int = 0
    max: int = 0
    buckets: list[Bucket] = []


class Statistics(GroupStatistics):
    """Figures of a dataset's examples at a revision.

    `categories` and `sources` name the 500 largest of each; examples of all others are counted in `other_categories`
    and `other_sources`. If the revision is frozen, the usable examples are those in its `export`. Otherwise they are
    those that pass the policy's filters, before duplicates, conflicts and grouping are looked at. `trainable` of the
    usable examples can be trained on; the others are kept to validate or test (before a freeze: those that users
    `marked` for it). `left_out` counts the examples that aren't usable, by reason. `rules` is the version of the rules
    that hold for the revision.
    """

    revision: int
    export: Name | None = None
    rules: int = LATEST_RULES
    kind: ExampleKind = ExampleKind.SUPERVISED
    usable_tokens: int = 0
    trainable: int = 0
    marked: dict[Split, int] = {}
    left_out: dict[str, int] = {}
    min_user_characters: int | None = None
    notes: list[str] = []
    statuses: dict[Status, int] = {}
    categories: dict[str, GroupStatistics] = {}
    uncategorised: int = 0
    other_categories: int = 0
    sources: dict[str, int] = {}
    unsourced: int = 0
    other_sources: int = 0
    corrections: int = 0
    confirmations: int = 0
    preferences: int = 0
    tokens: Tokens = Tokens()
    updated_at: datetime | None = None


class Tally:
    """A running count of a group of examples."""

    def __init__(self) -> None:
        self.examples = self.usable = self.rated = 0
        self.quality = 0.0

    def add(self, quality: float | None) -> None:
        """Count one example."""
        self.examples += 1
        if quality is not None:
            self.rated += 1
            self.quality += quality

    @property
    def statistics(self) -> GroupStatistics:
        """The figures of the examples counted so far."""
        average = round(self.quality / self.rated, 6) if self.rated else None
        return GroupStatistics(examples=self.examples, usable=self.usable, average_quality=average)


def compute_statistics(
    examples: Iterable[ExampleRow],
    policy: Policy,
    *,
    revision: int,
    updated_at: datetime | None,
    rules: int = LATEST_RULES,
    export: Export | None = None,
) -> Statistics:
    """The figures of a dataset's examples, given in the order of their ids; `export` is the revision's, if frozen."""
    whole = Tally()
    categories: dict[str, Tally] = defaultdict(Tally)
    statuses: Counter[Status] = Counter()
    sources: Counter[str] = Counter()
    tokens: Counter[int] = Counter()
    columns, category_numbers, outcome_of = Columns(), dict[str, int](), example_filter(policy)
    for row in examples:
        status, _, category, source, quality, _ = row.candidate
        whole.add(quality)
        categories[category or ""].add(quality)
        statuses[status] += 1
        sources[source or ""] += 1
        tokens[row.tokens] += 1
        columns.category.append(category_numbers.setdefault(category or "", len(category_numbers)))
        _add_to_columns(columns, row, outcome_of(row.candidate) if row.outcome is None else row.outcome)
    usable = _usable_examples(columns, policy, rules, export)
    whole.usable = usable.total
    names = list(category_numbers)
    for number, count in Counter(compress(columns.category, usable.flags)).items():
        categories[names[number]].usable = count
    uncategorised, unsourced = categories.pop("", Tally()), sources.pop("", 0)
    corrections, confirmations = sources.pop(Origin.CORRECTION, 0), sources.pop(Origin.CONFIRMATION, 0)
    named = largest_counts({name: tally.examples for name, tally in categories.items()})
    named_sources = largest_counts(sources)
    return Statistics(
        revision=revision,
        **whole.statistics.model_dump() | usable.figures,
        statuses={status: statuses[status] for status in Status},
        categories={name: categories[name].statistics for name in named},
        uncategorised=uncategorised.examples,
        other_categories=sum(tally.examples for name, tally in categories.items() if name not in named),
        sources=named_sources,
        unsourced=unsourced,
        other_sources=sum(sources.values()) - sum(named_sources.values()),
        corrections=corrections,
        confirmations=confirmations,
        preferences=sum(columns.preference),
        tokens=token_statistics(tokens),
        updated_at=updated_at,
    )


def exclusions_in(statistics: Statistics, policy: Policy) -> list[Exclusion]:
    """The reasons why examples aren't usable, each with its count and the setting that decides it."""
    return exclusions_of(statistics.left_out, policy, kind=statistics.kind, characters=statistics.min_user_characters)


def _add_to_columns(columns: Columns, example: ExampleRow, outcome: Outcome) -> None:
    """Append the numbers of an example from which it follows whether the example is usable."""
    columns.outcomes.append(outcome)
    columns.marks.append(MARK_OF[example.candidate.split])
    columns.preference.append(example.preference)
    columns.characters.append(example.characters)
    columns.tokens.append(example.tokens)
    columns.answer.append(example.answer)
    columns.subject.append(example.subject)


class UsableExamples(NamedTuple):
    """The usable examples: one flag byte per example, their number, and the fields of `Statistics` about them."""

    flags: bytes
    total: int
    figures: dict[str, Any]


def _usable_examples(columns: Columns, policy: Policy, rules: int, export: Export | None) -> UsableExamples:
    """The examples that the export took, or that an export would take before duplicates, conflicts and grouping."""
    if export:
        characters = export.min_user_characters
        figures_of_kind = {"export": export.id, "kind": export.kind, "marked": export.marked, "notes": export.notes}
        trains = columns.flags(Outcome.TRAIN)
    else:
        kind, length, _ = exclude_unwanted(columns, policy, rules)
        columns.mark_former_test(set())
        exclude_over_caps(columns, policy)
        characters, live = length.characters, columns.flags(Outcome.TRAIN)
        marks = Counter(compress(columns.marks, live))
        marked = {split: marks[mark] for split, mark in STRICTNESS.items() if split and marks[mark]}
        notes = [BEFORE_DUPLICATES_NOTE, *filter(None, [length.note])]
        figures_of_kind = {"kind": kind, "marked": marked, "notes": notes}
        trains = bytes(
            is_live and mark <= STRICTNESS[Split.TRAIN] for is_live, mark in zip(live, columns.marks, strict=True)
        )
    usable = bytes(columns.outcomes.translate(IS_IN_SPLIT))
    outcomes = Counter(columns.outcomes)
    figures = figures_of_kind | {
        "rules": rules,
        "min_user_characters": characters,
        "left_out": {
            reason.name.lower(): outcomes[reason] for reason in Outcome if reason > Outcome.TEST and outcomes[reason]
        },
        "usable_tokens": sum(compress(columns.tokens, usable)),
        "trainable": sum(trains),
    }
    return UsableExamples(usable, sum(usable), figures)


def largest_counts(counts: dict[str, int]) -> dict[str, int]:
    """The 500 largest counts, largest first; names of more than 100 characters are left out, which bounds the row."""
    named = [(name, count) for name, count in counts.items() if len(name) <= LONGEST_NAME]
    return dict(sorted(named, key=lambda pair: (-pair[1], pair[0]))[:MOST_NAMES])


def token_statistics(counts: Counter[int]) -> Tokens:
    """Total, percentiles (nearest rank) and buckets of token counts; `counts` has the examples of each token count."""
    if not counts:
        return Tokens()
    limits = [*BUCKETS, None]
    sizes = [0] * len(limits)
    for tokens, examples in counts.items():
        sizes[next((place for place, limit in enumerate(BUCKETS) if tokens <= limit), -1)] += examples
    return Tokens(
        total=sum(tokens * examples for tokens, examples in counts.items()),
        p50=percentile(counts, 50),
        p95=percentile(counts, 95),
        max=max(counts),
        buckets=[Bucket(up_to=limit, examples=examples) for limit, examples in zip(limits, sizes, strict=True)],
    )


def percentile(counts: Counter[int], percent: int) -> int:
    """The smallest value that at least `percent` percent of the values don't exceed (nearest rank); 0 without any."""
    target, seen = -(-counts.total() * percent // 100), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= target:
            return value
    return 0
