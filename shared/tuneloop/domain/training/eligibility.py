"""Eligibility: whether a dataset has enough examples to train on, what so many are good for, and what to do next."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel

from tuneloop.domain.datasets.policy import LEAST_TRAINED, Policy
from tuneloop.domain.exports.example_counts import GroupStatistics, Statistics, exclusions_in
from tuneloop.domain.exports.exclusions import Exclusion, shortage

MOST_LISTED = 3  # categories that a recommendation names, so that it stays a sentence
# Added to a recommendation before a freeze: by then the policy's filters have been counted, and no examples compared.
BEFORE_FREEZE = ", counted before duplicates and conflicts"
FREEZE_TO_KNOW = " Freeze an export to know how many stay: what overlaps with held-out examples goes too."


class Level(StrEnum):
    """What so many usable examples are good for."""

    TOO_FEW = "too_few"
    WORKS = "works"
    BETTER = "better"
    GOOD = "good"
    PROFESSIONAL = "professional"


# OpenAI takes no fewer than 10 examples and advises 50 to 100 (read 2026-11); the level above those is ours.
LEVELS = ((10, Level.WORKS), (50, Level.BETTER), (100, Level.GOOD), (500, Level.PROFESSIONAL))


class Eligibility(BaseModel):
    """Whether a dataset, or one category of it, can be trained on; `current_examples` are those that can be used.

    `basis` says how examples were counted: by the `export` that took them, where the dataset is frozen as it is now;
    else by the policy's `filters`, before duplicates and conflicts. `reasons` says why examples are left out, by which
    setting and what to do. `short` names the categories that lack examples, with how many of `required_per_category`
    each has.
    """

    eligible: bool
    current_examples: int
    required_examples: int
    required_per_category: int
    average_quality: float | None
    level: Level
    short: dict[str, int] = {}
    basis: Literal["export", "filters"] = "filters"
    recommendation: str
    reasons: list[Exclusion] = []
    notes: list[str] = []


def eligibility(
    statistics: Statistics, policy: Policy, required: int, per_category: int, category: str | None = None
) -> Eligibility:
    """The eligibility of a dataset, or of one `category`, which needs `per_category` examples where that is set."""
    group: GroupStatistics = statistics if category is None else statistics.categories.get(category, GroupStatistics())
    least = required if category is None else per_category or required
    short = {}
    if category is None and per_category:
        short = {name: part.usable for name, part in statistics.categories.items() if part.usable < per_category}
    reasons = exclusions_in(statistics, policy)
    missing = _shortage(statistics, group, least, reasons, category)
    return Eligibility(
        eligible=not missing and not short,
        current_examples=group.usable,
        required_examples=least,
        required_per_category=per_category,
        average_quality=group.average_quality,
        level=level_of(group.usable),
        short=short,
        basis="export" if statistics.export else "filters",
        recommendation=missing or _recommendation(group, per_category, short, is_frozen=statistics.export is not None),
        reasons=reasons,
        notes=statistics.notes,
    )


def _shortage(
    statistics: Statistics, group: GroupStatistics, required: int, reasons: list[Exclusion], category: str | None
) -> str | None:
    """Why the dataset, or one category of it, can't be trained on yet, and what to add; None where there is enough."""
    if category is not None:
        lacks = required - group.usable
        return None if lacks <= 0 else f"{shortage(required, group.usable)} {_advice(lacks)}"
    if group.usable < required:
        return f"{shortage(required, group.usable, why=reasons)} {_advice(required - group.usable)}"
    trainable = statistics.trainable
    if trainable < LEAST_TRAINED:
        refusal = shortage(
            LEAST_TRAINED,
            trainable,
            held=group.usable - trainable,
            marked=statistics.marked,
            rules=statistics.rules,
            why=reasons,
        )
        return f"{refusal} {_advice(LEAST_TRAINED - trainable)}"
    return None


def _advice(missing: int) -> str:
    return f"Add {missing:,} more."


def level_of(examples: int) -> Level:
    """The highest level that so many examples reach."""
    return next((level for least, level in reversed(LEVELS) if examples >= least), Level.TOO_FEW)


def _recommendation(group: GroupStatistics, per_category: int, short: dict[str, int], *, is_frozen: bool) -> str:
    """What to do next where there are enough examples, though some categories may be `short` of them.

    Before a freeze it says that a run may train on fewer, as no examples have been compared yet.
    """
    if short:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(short.items(), key=_by_count)[:MOST_LISTED])
        others = f" and {len(short) - MOST_LISTED} more" if len(short) > MOST_LISTED else ""
        return f"Add examples to the categories that have fewer than {per_category:,}: {named}{others}."
    before, freeze = ("", "") if is_frozen else (BEFORE_FREEZE, FREEZE_TO_KNOW)
    next_level = next(((least, level) for least, level in LEVELS if group.usable < least), None)
    if next_level:
        least, level = next_level
        more = f"add {least - group.usable:,} more for the level {level} at {least:,}"
        return f"Train now with {group.usable:,} examples{before}, or {more}{_left_out(group)}.{freeze}"
    return f"Train now: {group.usable:,} examples are enough for the highest level{before}{_left_out(group)}.{freeze}"


def _left_out(group: GroupStatistics) -> str:
    left_out = group.examples - group.usable
    return f"; {left_out:,} more are left out, as `reasons` says" if left_out else ""


def _by_count(category: tuple[str, int]) -> tuple[int, str]:
    return category[1], category[0]
