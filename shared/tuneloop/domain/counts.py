"""Counts: what a dataset holds at one revision, in figures: exact, and made in one pass over its examples.

Corrections and confirmations are what users said about answers; they are counted apart from what was sent as data.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.feedback import FEEDBACK, Origin
from tuneloop.domain.policy import Policy
from tuneloop.domain.reviews import Status

BUCKETS = tuple(1 << power for power in range(6, 18))  # tokens: up to 64, 128, ... 131,072
MOST_NAMES = 500
LONGEST_NAME = 100


class Counted(NamedTuple):
    """What is counted of one example."""

    status: Status
    category: str | None
    source: str | None
    preference: bool
    quality: float | None
    tokens: int


class Part(BaseModel):
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


class Statistics(Part):
    """What a dataset held at a revision; `others` are in categories or of sources beyond the 500 largest of each.

    Usable is what isn't rejected and passes the policy's status, categories and quality.
    """

    revision: int
    statuses: dict[Status, int] = {}
    categories: dict[str, Part] = {}
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
    """A part while it is counted."""

    def __init__(self) -> None:
        self.examples = self.usable = self.rated = 0
        self.quality = 0.0

    def add(self, quality: float | None, *, usable: bool) -> None:
        """Count one example."""
        self.examples += 1
        self.usable += usable
        if quality is not None:
            self.rated += 1
            self.quality += quality

    @property
    def part(self) -> Part:
        """What was counted."""
        average = round(self.quality / self.rated, 6) if self.rated else None
        return Part(examples=self.examples, usable=self.usable, average_quality=average)


def statistics_of(
    examples: Iterable[Counted], policy: Policy, *, revision: int, updated_at: datetime | None
) -> Statistics:
    """The figures of a dataset's examples."""
    whole = Tally()
    categories: dict[str, Tally] = defaultdict(Tally)
    statuses: Counter[Status] = Counter()
    sources: Counter[str] = Counter()
    tokens: Counter[int] = Counter()
    preferences = 0
    for each in examples:
        usable = is_usable(each, policy)
        whole.add(each.quality, usable=usable)
        categories[each.category or ""].add(each.quality, usable=usable)
        statuses[each.status] += 1
        sources[each.source or ""] += 1
        tokens[each.tokens] += 1
        preferences += each.preference
    uncategorised, unsourced = categories.pop("", Tally()), sources.pop("", 0)
    corrections, confirmations = sources.pop(Origin.CORRECTION, 0), sources.pop(Origin.CONFIRMATION, 0)
    kept, kept_sources = largest({name: each.examples for name, each in categories.items()}), largest(sources)
    return Statistics(
        revision=revision,
        **whole.part.model_dump(),
        statuses={status: statuses[status] for status in Status},
        categories={name: categories[name].part for name in kept},
        uncategorised=uncategorised.examples,
        other_categories=sum(each.examples for name, each in categories.items() if name not in kept),
        sources=kept_sources,
        unsourced=unsourced,
        other_sources=sum(sources.values()) - sum(kept_sources.values()),
        corrections=corrections,
        confirmations=confirmations,
        preferences=preferences,
        tokens=tokens_of(tokens),
        updated_at=updated_at,
    )


def is_usable(example: Counted, policy: Policy) -> bool:
    """Whether an export under the policy may take an example, duplicates and the like apart."""
    needs_approval = policy.validated_only or example.source in FEEDBACK
    if example.status == Status.REJECTED or (needs_approval and example.status != Status.APPROVED):
        return False
    if policy.categories and example.category not in policy.categories:
        return False
    return example.quality is None or example.quality >= policy.min_quality


def largest(counts: dict[str, int]) -> dict[str, int]:
    """The 500 largest counts, largest first, of names that a row can hold."""
    named = [(name, count) for name, count in counts.items() if len(name) <= LONGEST_NAME]
    return dict(sorted(named, key=lambda each: (-each[1], each[0]))[:MOST_NAMES])


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
    wanted, seen = -(-counts.total() * percent // 100), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return 0
