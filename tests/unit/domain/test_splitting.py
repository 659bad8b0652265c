"""Splits: the same question always lands in the same place, and nothing that is tested was trained on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import an_example
from tuneloop.domain.evaluation import FEWEST_ROWS
from tuneloop.domain.examples import Example, Split, read_example
from tuneloop.domain.ids import digest
from tuneloop.domain.splitting import (
    FEWEST_FOR_TEST,
    LARGEST_TEST_SHARE,
    SMALLEST_TEST_SHARE,
    Place,
    Shares,
    assign,
    place,
    plan_shares,
    unit_of,
)

MARKS = st.sampled_from([*Split, None])
UNITS = st.integers(0, 60).map(digest)
IN_PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "Where is"}, {"type": "text", "text": "it?"}]},
    {"role": "assistant", "content": "delivery"},
]
MARKED = st.lists(st.tuples(UNITS, MARKS), max_size=150)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (an_example("Where is it?", "delivery"), an_example("Where is it?", "refund")),
        (an_example("Where is it?"), an_example("  where IS\n it?\t")),
        (an_example("Where is it?"), an_example("Where is it?", system="One word.")),
        (an_example("STRASSE"), an_example("straße")),
        (an_example("Where is it?"), read_example({"messages": IN_PARTS}, 1)),
    ],
    ids=["answer", "case and space", "system", "folded", "parts"],
)
def test_the_same_question_is_the_same_unit(one: Example, other: Example) -> None:
    assert unit_of(one) == unit_of(other)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3), st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
)
def test_another_question_is_another_unit(one: list[str], other: list[str]) -> None:
    assert (unit_of(an_example(" ".join(one))) == unit_of(an_example(" ".join(other)))) == (one == other)


def test_what_was_said_before_belongs_to_the_question() -> None:
    def asked(*before: dict[str, str]) -> Example:
        last = [{"role": "user", "content": "And now?"}, {"role": "assistant", "content": "refund"}]
        found = read_example({"messages": [*before, *last]}, 1)
        assert isinstance(found, Example)
        return found

    turns = [{"role": "user", "content": "My card?"}, {"role": "assistant", "content": "On its way."}]

    assert len({unit_of(asked()), unit_of(asked(*turns)), unit_of(asked(turns[0]))}) == 3


def test_another_picture_is_another_question() -> None:
    def shown(url: str) -> Example:
        parts = [{"type": "text", "text": "Which card?"}, {"type": "image_url", "image_url": {"url": url}}]
        found = read_example(
            {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a"}]}, 1
        )
        assert isinstance(found, Example)
        return found

    assert unit_of(shown("https://example.org/1.png")) != unit_of(shown("https://example.org/2.png"))
    assert unit_of(shown("https://example.org/1.png")) == unit_of(shown("https://example.org/1.png"))


@pytest.mark.parametrize("units", [0, 1, FEWEST_FOR_TEST - 1])
def test_few_prompts_are_all_needed_for_training(units: int) -> None:
    assert plan_shares(units, marked_test=False).test == 0


def test_a_test_set_is_only_drawn_where_its_largest_share_can_pass_the_gate() -> None:
    assert FEWEST_FOR_TEST * LARGEST_TEST_SHARE >= FEWEST_ROWS > (FEWEST_FOR_TEST - 1) * LARGEST_TEST_SHARE


@given(st.integers(0, 200), st.text(max_size=4))
def test_a_test_set_that_is_drawn_is_large_enough_to_pass_the_gate(units: int, salt: str) -> None:
    places = assign([(digest(number), None) for number in range(units)], salt)
    tested = sum(found.split == Split.TEST for found in places.values())

    assert tested == 0 or tested >= FEWEST_ROWS
    assert tested or units < 120


@given(st.integers(0, 10**6))
def test_a_test_set_of_the_user_s_own_is_enough(units: int) -> None:
    assert plan_shares(units, marked_test=True).test == 0


@given(st.integers(FEWEST_FOR_TEST, 10**6))
def test_the_test_share_stays_in_its_bounds_and_falls_with_more_prompts(units: int) -> None:
    share, next_share = (plan_shares(count, marked_test=False).test for count in (units, units + 1))

    assert SMALLEST_TEST_SHARE <= next_share <= share <= LARGEST_TEST_SHARE


@given(st.text(max_size=8), st.text(max_size=8), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_test_share_only_adds_to_the_test_set(unit: str, salt: str, one: float, other: float) -> None:
    small, large = (place(unit, salt, Shares(0.1, share)) for share in sorted((one, other)))

    if small == Split.TEST:
        assert large == Split.TEST


def test_shares_are_kept_and_another_salt_draws_another_set() -> None:
    units = [digest(number) for number in range(4000)]
    first, second = ([place(unit, salt, Shares(0.1, 0.2)) for unit in units] for salt in ("s1", "s2"))

    assert 720 < first.count(Split.TEST) < 880
    assert 330 < first.count(Split.VALIDATION) < 470
    assert 100 < sum(one == other == Split.TEST for one, other in zip(first, second, strict=True)) < 220


@given(MARKED, st.randoms(use_true_random=False))
def test_no_order_of_arrival_changes_where_anything_goes(marked: list[tuple[str, Split | None]], dice: object) -> None:
    shuffled = sorted(marked, key=lambda _: dice.random())  # type: ignore[attr-defined]

    assert assign(shuffled + shuffled, "salt") == assign(marked, "salt")


@given(MARKED)
def test_the_strictest_mark_of_a_prompt_wins(marked: list[tuple[str, Split | None]]) -> None:
    places = assign(marked, "salt")

    for unit, found in places.items():
        marks = {mark for other, mark in marked if other == unit} - {None}
        strictest = next((split for split in (Split.TEST, Split.VALIDATION, Split.TRAIN) if split in marks), None)
        assert found.is_marked == bool(marks)
        assert found.split == (strictest or found.split)


@given(MARKED)
def test_no_prompt_is_both_tested_and_trained_on(marked: list[tuple[str, Split | None]]) -> None:
    places = assign(marked, "salt")
    taken = {(unit, split) for unit, mark in marked if (split := places[unit].takes(mark))}

    assert len({unit for unit, _ in taken}) == len(taken)


@given(st.lists(UNITS, max_size=80))
def test_without_marks_every_example_goes_somewhere(units: list[str]) -> None:
    places = assign([(unit, None) for unit in units], "salt")

    assert set(places) == set(units)
    assert all(found.takes(None) == found.split for found in places.values())


def test_in_a_marked_place_only_what_carries_the_mark_is_taken() -> None:
    test = Place(Split.TEST, is_marked=True)

    assert test.takes(Split.TEST) == Split.TEST
    assert test.takes(Split.TRAIN) is None
    assert test.takes(None) is None
