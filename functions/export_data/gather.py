"""Gathering: one pass over a dataset's contents that keeps of each example only what its selection needs."""

from collections.abc import Iterable, Sequence

from tuneloop.domain.examples import Split
from tuneloop.domain.policy import Policy
from tuneloop.domain.reviews import Decision, Status
from tuneloop.domain.selection import Columns, Outcome
from tuneloop.domain.splitting import STRICTNESS
from tuneloop.likeness import BAND_DIGITS, BANDS
from tuneloop.store.contents import Current
from tuneloop.store.lines import Stored, utc_text

BAND_PLACES = [slice(number * BAND_DIGITS, (number + 1) * BAND_DIGITS) for number in range(BANDS)]
MARK: dict[str | None, int] = {None: 0} | {split.value: STRICTNESS[split] for split in Split}
UNSIGNED = (1 << 64) - 1
CORRECTION = "correction"


def gather(contents: Iterable[Current], policy: Policy, columns: Columns) -> Columns:
    """The columns with every example's row, and what the policy's filters say of it as its outcome."""
    first, last = (utc_text(moment) or "" for moment in (policy.created_from, policy.created_to))
    for stored, decision in contents:
        columns.outcomes.append(_filtered(stored, decision, policy, first, last))
        columns.marks.append(MARK[stored.split])
        columns.approved.append(decision.status == Status.APPROVED)
        columns.corrections.append(stored.source == CORRECTION)
        columns.characters.append(stored.characters)
        columns.unit.append(int(stored.unit, 16))
        columns.answer.append(int(stored.answer, 16))
        columns.normal.append(int(stored.normal, 16))
        columns.subject.append(_number(stored.subject))
        columns.group.append(_number(stored.group))
        columns.category.append(_number(decision.category or stored.category))
        _add_bands(columns, stored.near)
    return columns


def _filtered(stored: Stored, decision: Decision, policy: Policy, first: str, last: str) -> Outcome:
    """What the filters say of one example: the first of them that it doesn't pass."""
    quality = stored.quality if decision.quality is None else decision.quality
    created = stored.created_at or ""
    failed = (
        (stored.preference, Outcome.OTHER_KIND),
        (decision.status == Status.REJECTED, Outcome.REJECTED),
        (policy.validated_only and decision.status != Status.APPROVED, Outcome.NOT_APPROVED),
        (policy.categories and (decision.category or stored.category) not in policy.categories, Outcome.OTHER_CATEGORY),
        ((first and created < first) or (last and not "" < created < last), Outcome.OTHER_TIME),
        (quality is not None and quality < policy.min_quality, Outcome.LOW_QUALITY),
    )
    return next((why for fails, why in failed if fails), Outcome.TRAIN)


def _add_bands(columns: Columns, near: str) -> None:
    values: Sequence[int] = [int(near[place], 16) for place in BAND_PLACES] if near else (0,) * BANDS
    for column, value in zip(columns.bands, values, strict=True):
        column.append(value)


def _number(name: str | None) -> int:
    """A number that stands for a name within this process; 0 for none."""
    return (hash(name) & UNSIGNED) or 1 if name else 0
