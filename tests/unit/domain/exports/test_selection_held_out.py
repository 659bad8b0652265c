"""Selection where something was tested with before: it stays test, and what users said about it is not trained on."""

from tests.unit.selection_rows import Row, columns_of, many, number, outcomes, selected
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import DEFAULT, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.selection import select


def test_once_in_a_test_always_in_a_test() -> None:
    first = selected(many(100), DEFAULT)
    tested = {place for place, outcome in enumerate(first.columns.outcomes) if outcome == Is.TEST}

    grown = select(columns_of([*many(100), *(Row(n, says=n) for n in range(900))]), DEFAULT, "s", first.test_prompts())
    without = selected(many(100), Policy(max_examples=10**6, take_test=True), salt="other", held_out=[1000, 1001])

    assert tested
    assert {place for place in range(100) if grown.columns.outcomes[place] == Is.TEST} >= tested
    assert list(without.columns.outcomes[:2]) == [Is.TEST, Is.TEST]


def test_what_was_test_and_is_marked_otherwise_now_is_kept_out() -> None:
    rows = [*many(3), Row(1, mark=Split.TRAIN), Row(2, mark=Split.VALIDATION)]

    assert outcomes(rows, DEFAULT, held_out=[1, 2])[-2:] == [Is.KEPT_OUT, Is.KEPT_OUT]


def test_an_edit_keeps_its_place() -> None:
    rows = many(300)
    before = outcomes(rows, DEFAULT)

    edited = [Row(row.prompt + 5000, says=row.says, was=row.prompt) for row in rows]

    assert outcomes(edited, DEFAULT) == before


def test_an_edit_of_what_was_test_stays_test_and_so_does_its_next_one() -> None:
    first = selected([*many(3), Row(7, was=1)], DEFAULT, held_out=[1])

    again = outcomes([*many(3), Row(8, was=7)], DEFAULT, held_out=[7])

    assert first.columns.outcomes[3] == Is.TEST
    assert first.test_prompts() == {number("prompt", 7), number("prompt", 1)}
    assert again[3] == Is.TEST


def test_what_users_said_about_answers_trains_and_is_never_tested_with() -> None:
    rows = [Row(place, says=place, feedback=place < 300) for place in range(600)]

    found = outcomes(rows, DEFAULT)

    assert Is.TEST not in found[:300]
    assert Is.TEST in found[300:]
    assert found[:300].count(Is.TRAIN) > 240


def test_what_users_said_beside_what_is_tested_is_kept_out() -> None:
    rows = [Row(place, says=place, subject=1 + place // 2, feedback=bool(place % 2)) for place in range(400)]

    found = outcomes(rows, DEFAULT)

    assert Is.TEST in found[::2]
    assert [Is.KEPT_OUT if own == Is.TEST else own for own in found[::2]] == found[1::2]


def test_what_users_said_about_a_test_s_prompt_is_kept_out() -> None:
    rows = [Row(1, mark=Split.TEST), Row(1, says=2, feedback=True)]

    assert outcomes(rows, Policy(conflicting=True)) == [Is.TEST, Is.KEPT_OUT]


def test_what_users_said_takes_no_example_out_of_a_test() -> None:
    asked = [Row(prompt, near=prompt + 1) for prompt in range(200)]
    policy = Policy()
    tested = [row.prompt for row, found in zip(asked, outcomes(asked, policy), strict=True) if found == Is.TEST]
    said = [Row(prompt, says=0, near=prompt + 1, feedback=True, approved=True) for prompt in tested]

    found = outcomes([*said, *asked], policy, held_out=tested)

    assert len(tested) >= FEWEST_ROWS
    assert [found[len(said) + prompt] for prompt in tested] == [Is.TEST] * len(tested)


def test_caps_and_likeness_take_nothing_out_of_a_test_that_was_taken() -> None:
    rows = [Row(prompt, near=prompt // 2 + 1) for prompt in range(200)]
    tested = list(range(100, 140))

    found = outcomes(rows, Policy(max_examples=10), held_out=tested)

    assert {found[prompt] for prompt in tested} == {Is.TEST}


def test_what_was_tested_with_is_not_trained_on_where_no_test_is_wanted() -> None:
    rows = [Row(prompt) for prompt in range(100)]

    found = outcomes(rows, Policy(take_test=False), held_out=range(20))

    assert {found[prompt] for prompt in range(20)} == {Is.KEPT_OUT}
    assert Is.TEST not in found
