"""Lengths: a file is told what an export would say of its short lines, however it is divided among processes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.selection_rows import Row, selected
from tuneloop.domain.datasets.policy import ExampleKind, Policy
from tuneloop.domain.exports.policy_filter import LengthCheck

LINES = st.lists(st.tuples(st.integers(0, 45), st.integers(0, 5), st.booleans()), max_size=40)
POLICIES = st.builds(
    Policy,
    kind=st.none() | st.sampled_from(ExampleKind),
    min_user_characters=st.none() | st.integers(0, 45),
    near_duplicates=st.just(True),
    conflicting=st.just(True),
    take_test=st.just(False),
)


def lengths_of(lines: list[tuple[int, int, bool]], policy: Policy, first: int = 0) -> LengthCheck:
    found = LengthCheck(policy)
    for line, (characters, answer, is_pair) in enumerate(lines, first):
        found.add(line, characters, f"answer {answer}", is_pair=is_pair)
    return found


@given(LINES, POLICIES, st.integers(0, 40))
@example([(0, 0, True)], Policy(kind=ExampleKind.SUPERVISED, min_user_characters=1), 0)
def test_a_file_is_told_what_an_export_would_leave_out(
    lines: list[tuple[int, int, bool]], policy: Policy, cut: int
) -> None:
    rows = [Row(n, says=says, characters=length, preference=is_pair) for n, (length, says, is_pair) in enumerate(lines)]
    divided = lengths_of(lines[:cut], policy)
    divided.include(lengths_of(lines[cut:], policy, cut))

    left_out = selected(rows, policy).exclusion_counts().get("too_short", 0)
    warned = lengths_of(lines, policy).warnings()

    assert sum(each.count for each in warned) == left_out
    assert divided.warnings() == warned


@pytest.mark.parametrize(
    "answers", [["Late", "late ", "LATE"], ['{"a":1,"b":2}', '{"b": 2, "a": 1}', '{"a":1,"b":2} ']]
)
def test_one_answer_written_in_several_ways_is_one(answers: list[str]) -> None:
    found = LengthCheck(Policy())
    for line, answer in enumerate(answers):
        found.add(line, 30 if line else 3, answer, is_pair=False)

    assert found.warnings() == []


def test_short_lines_among_long_ones_are_named_in_an_export_s_words() -> None:
    lines = [(30, n, False) for n in range(5)] + [(3, n + 5, False) for n in range(2)]

    [warning] = lengths_of(lines, Policy(), first=1).warnings()

    assert (warning.code, warning.count, warning.lines) == ("too_short", 2, [6, 7])
    assert warning.message == "2 are shorter than min_user_characters 20; set it to 0 for short chats."
