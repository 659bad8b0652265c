"""Eligibility: whether there are examples enough to train on, what so many are good for, and what to do next."""

from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.counts import Part, Statistics

NAMED = 3  # categories that a recommendation lists


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

    Those are what its export took, where it is frozen as it is now; else those that pass the policy's filters.

    `short` names the categories that lack examples, with how many of `required_per_category` each of them has.
    """

    eligible: bool
    current_examples: int
    required_examples: int
    required_per_category: int
    average_quality: float | None
    level: Level
    short: dict[str, int] = {}
    recommendation: str


def eligibility(
    found: Statistics, required: int, per_category: int, category: str | None = None, taken: int | None = None
) -> Eligibility:
    """How far a dataset is, or one of its categories, which needs its own number where there is one.

    `taken` is what an export of it took, if there is one: it knows of duplicates and conflicts too.
    """
    part: Part = found if category is None else found.categories.get(category, Part())
    if category is None and taken is not None:
        part = part.model_copy(update={"usable": taken})
    needed = required if category is None else per_category or required
    short = {}
    if category is None and per_category:
        short = {name: each.usable for name, each in found.categories.items() if each.usable < per_category}
    return Eligibility(
        eligible=part.usable >= needed and not short,
        current_examples=part.usable,
        required_examples=needed,
        required_per_category=per_category,
        average_quality=part.average_quality,
        level=level_of(part.usable),
        short=short,
        recommendation=_recommendation(part, needed, per_category, short),
    )


def level_of(examples: int) -> Level:
    """The highest level that so many examples reach."""
    return next((level for least, level in reversed(LEVELS) if examples >= least), Level.TOO_FEW)


def _recommendation(part: Part, needed: int, per_category: int, short: dict[str, int]) -> str:
    if part.usable < needed:
        missing = needed - part.usable
        return f"Add {missing:,} more usable examples: {part.usable:,} of {needed:,} are there{_unused(part)}."
    if short:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(short.items(), key=_by_count)[:NAMED])
        others = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        return f"Add examples to the categories that have fewer than {per_category:,}: {named}{others}."
    after = next(((least, level) for least, level in LEVELS if part.usable < least), None)
    if after:
        least, level = after
        more = f"add {least - part.usable:,} more for the level {level} at {least:,}"
        return f"Train now with {part.usable:,} examples, or {more}{_unused(part)}."
    return f"Train now: {part.usable:,} examples are enough for the highest level{_unused(part)}."


def _unused(part: Part) -> str:
    unused = part.examples - part.usable
    return f"; {unused:,} more are left out by status, policy or likeness" if unused else ""


def _by_count(each: tuple[str, int]) -> tuple[int, str]:
    return each[1], each[0]
