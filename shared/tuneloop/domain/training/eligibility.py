"""Eligibility: whether there are examples enough to train on, what so many are good for, and what to do next."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel

from tuneloop.domain.datasets.policy import LEAST_TRAINED, Policy
from tuneloop.domain.exports.example_counts import GroupStatistics, Statistics, exclusions_in
from tuneloop.domain.exports.exclusions import Exclusion, shortage

NAMED = 3  # categories that a recommendation lists
# What a recommendation says before a freeze: the filters are counted by then, and nothing that compares examples.
BEFORE_FREEZE = ", counted before duplicates and conflicts"
FREEZE_TO_KNOW = " Freeze an export to know how many stay: what overlaps with held-out examples goes too."


class Level(StrEnum):
    """What so many usable examples are good for."""

    TOO_FEW = "too_few"
    WORKS = "works"
    BETTER = "better"
    GOOD = "good"
    PROFESSIONAL = "professional"


LEVELS = ((10, Level.WORKS), (50, Level.BETTER), (100, Level.GOOD), (500, Level.PROFESSIONAL))


class Eligibility(BaseModel):
    """Whether a dataset, or one category of it, can be trained on; examples are those that can be used.

    `basis` says by what they are counted: `export`, which took them, where the dataset is frozen as it is now; else
    `filters`, before duplicates and conflicts. `reasons` says of all examples that are left out why, by which setting
    and what to do. `short` names the categories that lack examples, with how many of `required_per_category` each has.
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
    found: Statistics, policy: Policy, required: int, per_category: int, category: str | None = None
) -> Eligibility:
    """How far a dataset is, or one of its categories, which needs its own number where there is one."""
    part: GroupStatistics = found if category is None else found.categories.get(category, GroupStatistics())
    needed = required if category is None else per_category or required
    short = {}
    if category is None and per_category:
        short = {name: each.usable for name, each in found.categories.items() if each.usable < per_category}
    reasons = exclusions_in(found, policy)
    lacking = _lacking(found, part, needed, reasons, category)
    return Eligibility(
        eligible=not lacking and not short,
        current_examples=part.usable,
        required_examples=needed,
        required_per_category=per_category,
        average_quality=part.average_quality,
        level=level_of(part.usable),
        short=short,
        basis="export" if found.export else "filters",
        recommendation=lacking or _recommendation(part, per_category, short, is_frozen=found.export is not None),
        reasons=reasons,
        notes=found.notes,
    )


def _lacking(
    found: Statistics, part: GroupStatistics, needed: int, reasons: list[Exclusion], category: str | None
) -> str | None:
    """What a run would be refused with, or what the dataset wants more than that; None where there is enough."""
    if category is not None:
        return None if part.usable >= needed else f"{shortage(needed, part.usable)} {_add(needed - part.usable)}"
    if part.usable < needed:
        return f"{shortage(needed, part.usable, why=reasons)} {_add(needed - part.usable)}"
    if found.trainable < LEAST_TRAINED:
        held = part.usable - found.trainable
        told = shortage(LEAST_TRAINED, found.trainable, held=held, marked=found.marked, rules=found.rules, why=reasons)
        return f"{told} {_add(LEAST_TRAINED - found.trainable)}"
    return None


def _add(missing: int) -> str:
    return f"Add {missing:,} more."


def level_of(examples: int) -> Level:
    """The highest level that so many examples reach."""
    return next((level for least, level in reversed(LEVELS) if examples >= least), Level.TOO_FEW)


def _recommendation(part: GroupStatistics, per_category: int, short: dict[str, int], *, is_frozen: bool) -> str:
    """What to do where nothing is lacking but in some categories; before a freeze, that a run may train on fewer."""
    if short:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(short.items(), key=_by_count)[:NAMED])
        others = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        return f"Add examples to the categories that have fewer than {per_category:,}: {named}{others}."
    before, freeze = ("", "") if is_frozen else (BEFORE_FREEZE, FREEZE_TO_KNOW)
    after = next(((least, level) for least, level in LEVELS if part.usable < least), None)
    if after:
        least, level = after
        more = f"add {least - part.usable:,} more for the level {level} at {least:,}"
        return f"Train now with {part.usable:,} examples{before}, or {more}{_unused(part)}.{freeze}"
    return f"Train now: {part.usable:,} examples are enough for the highest level{before}{_unused(part)}.{freeze}"


def _unused(part: GroupStatistics) -> str:
    unused = part.examples - part.usable
    return f"; {unused:,} more are left out, as `reasons` says" if unused else ""


def _by_count(each: tuple[str, int]) -> tuple[int, str]:
    return each[1], each[0]
