"""Warnings: what is odd about a file is counted and placed, whichever process saw which line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.datasets.file_warnings import (
    MOST_LABELS,
    MOST_SHAPES,
    AnswerLabels,
    Duplicates,
    FileWarning,
    LineNotes,
    are_alike,
    shape_of,
)


def seen(answers: list[Any], first: int = 1) -> AnswerLabels:
    """Answers from a line on: texts as they are, all else as JSON."""
    found = AnswerLabels()
    for line, answer in enumerate(answers, start=first):
        text = answer if isinstance(answer, str) else json.dumps(answer)
        found.add(line, text)
    return found


def codes(warnings: list[FileWarning]) -> dict[str, tuple[int, list[int]]]:
    return {warning.code: (warning.count, warning.lines) for warning in warnings}


def test_the_first_ten_lines_are_noted_and_all_are_counted() -> None:
    noted = LineNotes()
    for line in range(1, 26):
        noted.add(line)

    [warning] = noted.warning("odd", "Odd.")

    assert (warning.count, warning.lines) == (25, list(range(1, 11)))
    assert LineNotes().warning("odd", "Odd.") == []


def test_labels_of_which_one_is_ten_times_as_common_are_out_of_balance() -> None:
    assert codes(seen(["refund"] * 50 + ["delivery"] * 5).warnings()) == {"label_imbalance": (5, [])}
    assert seen(["refund"] * 49 + ["delivery"] * 5).warnings() == []


def test_answers_that_are_each_another_are_no_labels() -> None:
    free = [f"It was sent on day {day}." for day in range(60)]

    assert seen(free + ["I don't know."] * 40).warnings() == []
    assert seen(["yes"] * 100).warnings() == []
    assert seen([str(number) for number in range(MOST_LABELS + 1)] * 2 + ["x"] * 20_000).warnings() == []
    assert seen(["yes"] * 50 + ["A long answer. " * 20] * 5).warnings() == []


@pytest.mark.parametrize("nothing", ["null", "{}", "[]", '""'])
def test_an_answer_that_is_json_and_holds_nothing_is_empty(nothing: str) -> None:
    answers = [{"year": year} for year in range(20)]

    assert codes(seen([*answers, nothing]).warnings())["empty_answer"] == (1, [21])
    assert "empty_answer" not in codes(seen([*answers, 0, False, "none"]).warnings())


@pytest.mark.parametrize(
    "other",
    [{"year": 1, "month": 2}, {"years": 1}, {"year": "1"}, {"year": [1]}, {"year": True}, [1], "1986", {"year": {}}],
    ids=json.dumps,
)
def test_an_answer_of_another_shape_than_most_is_found(other: Any) -> None:
    answers = [{"year": year} for year in range(20)]

    assert codes(seen([*answers, other, *answers]).warnings()) == {"answer_shape": (1, [21])}


def test_the_order_of_fields_and_null_make_no_other_shape() -> None:
    answers = [{"year": year, "month": 1} for year in range(20)]

    assert (
        seen(
            [*answers, {"month": 2, "year": None}, {"month": None, "year": None}, {"year": 1.5, "month": 2}]
        ).warnings()
        == []
    )


def test_where_most_answers_are_texts_no_shape_is_expected() -> None:
    assert seen([f"Text {number}." for number in range(20)] + [{"year": year} for year in range(9)]).warnings() == []


def test_very_many_shapes_are_counted_as_others() -> None:
    odd = [{f"f{number}": 1} for number in range(MOST_SHAPES + 100)]

    found = codes(seen([{"year": year} for year in range(3000)] + odd).warnings())

    assert found["answer_shape"] == (MOST_SHAPES + 100, list(range(3001, 3011)))


ANSWER = st.sampled_from(["yes", "no", "maybe", {"year": 1}, {"year": None}, {"month": "May"}, [], {}])


@given(st.lists(ANSWER, max_size=120), st.integers(0, 120))
def test_two_parts_of_a_file_add_up_to_the_whole(answers: list[Any], cut: int) -> None:
    whole, one, other = seen(answers), seen(answers[:cut]), seen(answers[cut:], first=1 + len(answers[:cut]))

    other.include(one)

    assert other.warnings() == whole.warnings()


@given(st.dictionaries(st.text(max_size=2), st.none() | st.integers() | st.text(max_size=2), max_size=3))
def test_a_shape_is_like_itself_and_like_itself_with_nulls(value: dict[str, Any]) -> None:
    assert are_alike(shape_of(value), shape_of(value))
    assert are_alike(shape_of(value), shape_of(dict.fromkeys(value)))
    assert not are_alike(shape_of(value), shape_of([value]))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=60), st.integers(0, 60))
def test_duplicates_are_those_that_came_before_in_either_part(contents: list[int], cut: int) -> None:
    one, other = Duplicates(), Duplicates()
    for line, content in enumerate(contents, start=1):
        (one if line <= cut else other).add(line, content)
    for portion in one.portions():
        other.include(portion)

    expected = [line for line, content in enumerate(contents, start=1) if content in contents[: line - 1]]

    assert codes(other.warnings(len(contents))) == ({"duplicate": (len(expected), expected[:10])} if expected else {})


def test_only_so_many_examples_are_compared_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.domain.datasets.file_warnings.MOST_COMPARED", 3)
    duplicates = Duplicates()
    for line, content in enumerate([1, 1, 2, 2, 2], start=1):
        duplicates.add(line, content)

    [warning] = duplicates.warnings(5)
    [of_all] = duplicates.warnings(3)

    assert (warning.count, warning.lines) == (1, [2])
    assert "the first 3 examples" in warning.message
    assert "Only" not in of_all.message


def test_several_processes_compare_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.domain.datasets.file_warnings.MOST_COMPARED", 6)
    parts = [Duplicates(3) for _ in range(3)]
    for line in range(1, 13):
        parts[line % 3].add(line, 1)
    for part in parts[1:]:
        for portion in part.portions():
            parts[0].include(portion)

    [warning] = parts[0].warnings(12)

    assert (warning.count, warning.lines) == (5, [2, 3, 4, 5, 6])
    assert "the first 6 examples" in warning.message
