"""Rows as selection sees them, by numbers alone, and what selection makes of them."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.columns import Columns
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.selection import SelectionResult, select
from tuneloop.domain.exports.splits import STRICTNESS

ALL = Policy(take_test=False)


@dataclass
class Row:
    """An example as selection sees it; keys of 0 are none, and `prompt` and `says` tell it from others."""

    prompt: int
    says: int = 0
    frame: int = 0
    outcome: Is = Is.TRAIN
    mark: Split | None = None
    approved: bool = False
    preference: bool = False
    feedback: bool = False
    characters: int = 50
    subject: int = 0
    group: int = 0
    category: int = 0
    near: int = 0
    signature: bytes = b"\x00\x00"
    was: int | None = None


def number(*parts: object) -> int:
    return int(digest(*parts)[:16], 16)


def columns_of(rows: Sequence[Row]) -> Columns:
    columns = Columns(bands=[array("Q")])
    for place, row in enumerate(rows):
        columns.outcomes.append(row.outcome)
        columns.marks.append(STRICTNESS[row.mark])
        columns.approved.append(row.approved)
        columns.preference.append(row.preference)
        columns.feedback.append(row.feedback)
        columns.characters.append(row.characters)
        columns.unit.append(number("prompt", row.prompt))
        columns.frame.append(row.frame)
        columns.answer.append(number("answer", row.says))
        columns.normal.append(number("prompt", row.prompt, row.says))
        columns.subject.append(row.subject)
        columns.group.append(row.group)
        columns.category.append(row.category)
        columns.bands[0].append(row.near)
        columns.signatures.extend(row.signature)
        if row.was is not None:
            columns.origin[place] = number("prompt", row.was)
    return columns


def selected(
    rows: Sequence[Row], policy: Policy = ALL, held_out: Sequence[int] = (), salt: str = "s"
) -> SelectionResult:
    return select(columns_of(rows), policy, salt, {number("prompt", prompt) for prompt in held_out})


def outcomes(rows: Sequence[Row], policy: Policy = ALL, **more: Any) -> list[Is]:
    return [Is(outcome) for outcome in selected(rows, policy, **more).columns.outcomes]


def many(count: int, **same: Any) -> list[Row]:
    return [Row(prompt, says=prompt, **same) for prompt in range(1000, 1000 + count)]


ROWS = st.lists(
    st.builds(
        Row,
        prompt=st.integers(1, 30),
        says=st.integers(1, 3),
        outcome=st.sampled_from([Is.TRAIN, Is.TRAIN, Is.TRAIN, Is.REJECTED]),
        mark=st.sampled_from([None, None, None, *Split]),
        approved=st.booleans(),
        feedback=st.booleans(),
        subject=st.integers(0, 6),
        group=st.integers(0, 6),
        near=st.integers(0, 9),
        was=st.none() | st.integers(1, 30),
    ),
    max_size=80,
)
POLICIES = st.builds(
    Policy,
    near_duplicates=st.booleans(),
    conflicting=st.booleans(),
    take_test=st.booleans(),
    max_examples=st.none() | st.integers(1, 40),
    max_per_subject=st.none() | st.integers(1, 5),
)
