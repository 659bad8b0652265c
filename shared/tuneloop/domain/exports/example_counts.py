"""Statistics of a dataset's examples at one revision, exact, and made in one pass over them.

Corrections and confirmations are what users said about answers; they are counted apart from what was sent as data.
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
from tuneloop.domain.exports.columns import TAKEN, Columns, Outcome
from tuneloop.domain.exports.exclusions import Exclusion, exclusions_of
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.policy_filter import Candidate, example_filter
from tuneloop.domain.exports.selection import leave_over_caps, leave_unwanted
from tuneloop.domain.exports.splits import MARKS, STRICTNESS

MARK_OF: dict[str | None, int] = {split and split.value: STRICTNESS[split] for split in MARKS}
BEFORE_LIKENESS = "Usable examples are counted before duplicates and conflicts; an export says what it took of them."
BUCKETS = tuple(1 << power for power in range(6, 18))  # tokens: up to 64, 128, ... 131,072
# Together these keep the row of the statistics well within DynamoDB's 400 KB.
MOST_NAMES = 500
LONGEST_NAME = 100


class ExampleRow(NamedTuple):
    """One example as it is counted; `outcome` is what the export made of it, where the dataset is frozen.

    The hashes of answer and subject tell them apart; 0 is none.
    """

    candidate: Candidate
    preference: bool
    tokens: int
    characters: int = LEAST_CHARACTERS
    answer: int = 0
    subject: int = 0
    outcome: Outcome | None = None


class GroupStatistics(BaseModel):
    """Some examples: how many, how many of them can be used, and the average of the qualities that were given."""

    examples: int = 0
    usable: int = 0
    average_quality: float | None = None


class Bucket(BaseModel):
    """How many examples have at most so many tokens and more than the bucket before; the last one has no end."""

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
    """What a dataset held at a revision; `others` are in categories or of sources beyond the 500 largest of each.

    Usable is what the policy takes, before duplicates, conflicts and what has to stay together; or what the `export` of
    that revision took, if it is frozen; `rules` is the version of the rules that hold for it. `trainable` of those can
    be trained on, the others are kept to validate or test (before a freeze: by the `marked` splits). `left_out` counts
    what isn't usable, by reason.
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
    """The count of some examples while it is made."""

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
    def part(self) -> GroupStatistics:
        """What was counted."""
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
    """The figures of a dataset's examples, which come in the order of their ids; `export` is what froze them."""
    whole = Tally()
    categories: dict[str, Tally] = defaultdict(Tally)
    statuses: Counter[Status] = Counter()
    sources: Counter[str] = Counter()
    tokens: Counter[int] = Counter()
    columns, numbers = Columns(), dict[str, int]()
    outcome_of = example_filter(policy)
    for row in examples:
        status, _, category, source, quality, _ = row.candidate
        whole.add(quality)
        categories[category or ""].add(quality)
        statuses[status] += 1
        sources[source or ""] += 1
        tokens[row.tokens] += 1
        columns.category.append(numbers.setdefault(category or "", len(numbers)))
        _note(columns, row, outcome_of(row.candidate) if row.outcome is None else row.outcome)
    used = _use(columns, policy, rules, export)
    whole.usable = used.usable
    names = list(numbers)
    for number, count in Counter(compress(columns.category, used.taken)).items():
        categories[names[number]].usable = count
    uncategorised, unsourced = categories.pop("", Tally()), sources.pop("", 0)
    corrections, confirmations = sources.pop(Origin.CORRECTION, 0), sources.pop(Origin.CONFIRMATION, 0)
    kept, kept_sources = largest({name: tally.examples for name, tally in categories.items()}), largest(sources)
    return Statistics(
        revision=revision,
        **whole.part.model_dump() | used.figures,
        statuses={status: statuses[status] for status in Status},
        categories={name: categories[name].part for name in kept},
        uncategorised=uncategorised.examples,
        other_categories=sum(tally.examples for name, tally in categories.items() if name not in kept),
        sources=kept_sources,
        unsourced=unsourced,
        other_sources=sum(sources.values()) - sum(kept_sources.values()),
        corrections=corrections,
        confirmations=confirmations,
        preferences=sum(columns.preference),
        tokens=tokens_of(tokens),
        updated_at=updated_at,
    )


def exclusions_in(statistics: Statistics, policy: Policy) -> list[Exclusion]:
    """Why examples aren't usable, by reason, with the setting that decides it."""
    return exclusions_of(statistics.left_out, policy, kind=statistics.kind, characters=statistics.min_user_characters)


def _note(columns: Columns, example: ExampleRow, outcome: Outcome) -> None:
    """Keep the few numbers of an example that say later whether it is used."""
    columns.outcomes.append(outcome)
    columns.marks.append(MARK_OF[example.candidate.split])
    columns.preference.append(example.preference)
    columns.characters.append(example.characters)
    columns.tokens.append(example.tokens)
    columns.answer.append(example.answer)
    columns.subject.append(example.subject)


class Used(NamedTuple):
    """Which examples an export takes, a byte for each, and what is told of them."""

    taken: bytes
    usable: int
    figures: dict[str, Any]


def _use(columns: Columns, policy: Policy, rules: int, export: Export | None) -> Used:
    """What the export took, or what one would take but for duplicates, conflicts and what has to stay together."""
    if export:
        characters = export.min_user_characters
        figures_of_kind = {"export": export.id, "kind": export.kind, "marked": export.marked, "notes": export.notes}
        trains = columns.which(Outcome.TRAIN)
    else:
        kind, length, _ = leave_unwanted(columns, policy, rules)
        columns.note_past(set())
        leave_over_caps(columns, policy)
        characters, live = length.characters, columns.which(Outcome.TRAIN)
        marks = Counter(compress(columns.marks, live))
        marked = {split: marks[mark] for split, mark in STRICTNESS.items() if split and marks[mark]}
        figures_of_kind = {"kind": kind, "marked": marked, "notes": [BEFORE_LIKENESS, *filter(None, [length.note])]}
        trains = bytes(
            is_live and mark <= STRICTNESS[Split.TRAIN] for is_live, mark in zip(live, columns.marks, strict=True)
        )
    taken = bytes(columns.outcomes.translate(TAKEN))
    reasons = Counter(columns.outcomes)
    figures = figures_of_kind | {
        "rules": rules,
        "min_user_characters": characters,
        "left_out": {why.name.lower(): reasons[why] for why in Outcome if why > Outcome.TEST and reasons[why]},
        "usable_tokens": sum(compress(columns.tokens, taken)),
        "trainable": sum(trains),
    }
    return Used(taken, sum(taken), figures)


def largest(counts: dict[str, int]) -> dict[str, int]:
    """The 500 largest counts, largest first, of names that a row can hold."""
    named = [(name, count) for name, count in counts.items() if len(name) <= LONGEST_NAME]
    return dict(sorted(named, key=lambda pair: (-pair[1], pair[0]))[:MOST_NAMES])


def tokens_of(counts: Counter[int]) -> Tokens:
    """Total, percentiles (nearest rank) and buckets of token counts."""
    if not counts:
        return Tokens()
    ends = [*BUCKETS, None]
    held = [0] * len(ends)
    for tokens, examples in counts.items():
        held[next((place for place, end in enumerate(BUCKETS) if tokens <= end), -1)] += examples
    return Tokens(
        total=sum(tokens * examples for tokens, examples in counts.items()),
        p50=percentile(counts, 50),
        p95=percentile(counts, 95),
        max=max(counts),
        buckets=[Bucket(up_to=end, examples=examples) for end, examples in zip(ends, held, strict=True)],
    )


def percentile(counts: Counter[int], percent: int) -> int:
    """The smallest value that at least so many percent of the values don't exceed."""
    target, seen = -(-counts.total() * percent // 100), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= target:
            return value
    return 0
