"""Selection: what is left out and why, what stays together, and where it goes; by numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.selection_rows import POLICIES, ROWS, Row, columns_of, many, number, outcomes, selected
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import DEFAULT, ExampleKind, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.selection import LEAST_SIMILARITY, MOST_ALIKE, select
from tuneloop.domain.exports.splits import FEWEST_FOR_TEST


def stays(outcome: Is) -> bool:
    return outcome <= Is.TEST


def test_what_the_filters_left_out_stays_out_and_is_counted() -> None:
    found = selected([Row(1), Row(2, outcome=Is.REJECTED), Row(3, outcome=Is.LOW_QUALITY), Row(4, outcome=Is.REJECTED)])

    assert found.exclusion_counts() == {"rejected": 2, "low_quality": 1}


def test_of_equal_conversations_the_first_or_the_approved_one_stays() -> None:
    assert [stays(each) for each in outcomes([Row(1), Row(1), Row(1)])] == [True, False, False]
    assert outcomes([Row(1), Row(1, approved=True), Row(1)])[::2] == [Is.DUPLICATE, Is.DUPLICATE]


def test_a_duplicate_hands_on_its_mark() -> None:
    assert outcomes([Row(1), Row(1, mark=Split.TEST)]) == [Is.TEST, Is.DUPLICATE]


def test_conflicting_answers_are_reported_and_kept_out_until_approved() -> None:
    rows = [Row(1, says=1), Row(1, says=2), Row(2, says=1)]

    before = selected(rows)
    rows[1].approved = True
    after = selected(rows)

    assert (before.conflicting_prompts, before.exclusion_counts()) == (1, {"conflicting": 2})
    assert (after.conflicting_prompts, after.exclusion_counts()) == (1, {"conflicting": 1})
    assert stays(Is(after.columns.outcomes[1]))


def test_conflicts_are_kept_where_the_policy_wants_them() -> None:
    found = selected([Row(1, says=1), Row(1, says=2)], Policy(conflicting=True, take_test=False))

    assert (found.conflicting_prompts, found.exclusion_counts()) == (1, {})


def test_a_user_s_own_test_is_no_party_to_a_conflict() -> None:
    found = selected([Row(1, says=1, mark=Split.TEST), Row(1, says=2)])

    assert found.conflicting_prompts == 0
    assert list(found.columns.outcomes) == [Is.TEST, Is.KEPT_OUT]


def test_of_near_duplicates_with_one_answer_one_stays() -> None:
    rows = [Row(1, says=7, near=5), Row(2, says=7, near=5), Row(3, says=8, near=5), Row(4, says=7, near=6)]

    assert outcomes(rows)[1] == Is.NEAR_DUPLICATE
    assert [stays(each) for each in outcomes(rows)] == [True, False, True, True]
    assert selected(rows, Policy(near_duplicates=True, take_test=False)).exclusion_counts() == {}


def test_what_shares_a_band_by_chance_is_no_duplicate_but_stays_together() -> None:
    alike, unlike = bytes([0x12] * 40), bytes([0x12] * 20 + [0x34] * 20)
    pairs = [
        row
        for pair in range(100)
        for row in (
            Row(2 * pair, says=7, near=pair + 1, signature=alike),
            Row(2 * pair + 1, says=7, near=pair + 1, signature=unlike),
        )
    ]

    found = outcomes(pairs, DEFAULT)

    assert columns_of(pairs).similarity(0, 1) < LEAST_SIMILARITY
    assert Is.NEAR_DUPLICATE not in found
    assert found[::2] == found[1::2]
    assert {Is.TRAIN, Is.TEST} <= set(found)


def test_very_many_that_are_alike_fill_in_a_form_and_are_no_duplicates() -> None:
    form = [Row(prompt, says=7, near=9) for prompt in range(MOST_ALIKE + 1)]

    found = selected([*form, Row(100, says=7, near=3), Row(101, says=7, near=3)])

    assert found.boilerplate == MOST_ALIKE + 1
    assert found.exclusion_counts() == {"near_duplicate": 1}


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (Policy(max_examples=4, take_test=False), 4),
        (Policy(max_per_category=2, take_test=False), 6),
        (Policy(max_per_subject=1, take_test=False), 10),
        (Policy(max_examples=7, max_per_category=1, take_test=False), 3),
    ],
)
def test_caps_keep_the_first_by_id_and_count_the_rest(policy: Policy, kept: int) -> None:
    rows = [Row(place, says=place, category=place % 3, subject=[0, 8, 9][place % 3]) for place in range(24)]

    found = selected(rows, policy)

    assert found.exclusion_counts() == {"over_cap": 24 - kept}
    assert stays(Is(found.columns.outcomes[0]))


def test_a_user_s_own_test_counts_for_no_cap_and_no_minimum() -> None:
    own = many(5, mark=Split.TEST, characters=2, subject=3)

    assert set(outcomes(own, Policy(max_examples=1, max_per_subject=1))) == {Is.TEST}


@pytest.mark.parametrize("shared", ["subject", "group", "near"])
def test_what_shares_a_subject_conversation_or_wording_is_never_divided(shared: str) -> None:
    rows = [Row(place, says=place) for place in range(300)]
    for place, row in enumerate(rows):
        setattr(row, shared, 1 + place // 3)

    found = selected(rows, Policy(near_duplicates=True))

    together = [set(found.columns.outcomes[start : start + 3]) for start in range(0, 300, 3)]
    assert found.groups == 100
    assert all(len(each) == 1 for each in together)
    assert {Is.TRAIN, Is.TEST} <= set.union(*together)


def test_a_chain_of_different_ties_is_one_group() -> None:
    rows = [Row(1, says=1, subject=5), Row(2, says=2, subject=5, group=6), Row(3, says=3, group=6, near=7)]

    assert selected([*rows, Row(4, says=4, near=7)]).groups == 1


def test_few_examples_all_train_and_enough_give_a_test_that_can_pass() -> None:
    few, enough = selected(many(FEWEST_FOR_TEST - 1), DEFAULT), selected(many(200), DEFAULT)

    assert Is.TEST not in few.columns.outcomes
    assert enough.columns.outcomes.count(Is.TEST) >= FEWEST_ROWS


def test_marks_of_the_user_s_own_decide_and_no_test_is_drawn_beside_his() -> None:
    rows = [*many(200), Row(1, mark=Split.TEST), Row(2, mark=Split.VALIDATION), Row(3, mark=Split.TRAIN)]

    found = outcomes(rows, DEFAULT)

    assert found[-3:] == [Is.TEST, Is.VALIDATION, Is.TRAIN]
    assert found.count(Is.TEST) == 1


def test_what_belongs_to_a_marked_test_is_kept_out_of_training() -> None:
    rows = [Row(1, mark=Split.TEST, subject=4), Row(2, subject=4), Row(3, mark=Split.TRAIN, subject=4)]

    assert outcomes(rows) == [Is.TEST, Is.KEPT_OUT, Is.KEPT_OUT]


def test_pairs_are_left_out_of_a_supervised_export_or_make_their_own() -> None:
    mixed = [Row(1), Row(2, says=1, preference=True)]

    assert (selected(mixed).kind, selected(mixed).exclusion_counts()) == (ExampleKind.SUPERVISED, {"other_kind": 1})
    assert selected(mixed[1:]).kind == ExampleKind.PREFERENCE
    assert selected(mixed, Policy(kind=ExampleKind.PREFERENCE)).exclusion_counts() == {"other_kind": 1}
    assert selected([]).kind == ExampleKind.SUPERVISED


def test_a_prompt_may_have_several_pairs() -> None:
    pairs = [Row(1, says=says, preference=True, near=4) for says in (1, 2, 3)]

    found = selected(pairs)

    assert (found.kind, found.conflicting_prompts, found.exclusion_counts()) == (ExampleKind.PREFERENCE, 0, {})


@given(ROWS, POLICIES, st.lists(st.integers(1, 30), max_size=5))
def test_splits_never_share_anything_whatever_comes(rows: list[Row], policy: Policy, held_out: list[int]) -> None:
    found = selected(rows, policy, held_out)

    split_of = [Is(outcome) for outcome in found.columns.outcomes]
    for field in ("prompt", "subject", "group", "near"):
        if field == "near" and found.boilerplate:
            continue
        shared: dict[int, set[Is]] = {}
        for row, outcome in zip(rows, split_of, strict=True):
            if stays(outcome) and getattr(row, field):
                shared.setdefault(getattr(row, field), set()).add(outcome)
        assert all(len(splits) == 1 for splits in shared.values()), field
    assert set(found.overlaps().values()) == {0}
    assert sum(found.exclusion_counts().values()) + sum(map(stays, split_of)) == len(rows)


@given(ROWS, POLICIES)
def test_what_was_test_is_nowhere_else_in_the_next_export(rows: list[Row], policy: Policy) -> None:
    first = selected(rows, policy)

    second = select(columns_of(rows), policy.model_copy(update={"take_test": True}), "other salt", first.test_prompts())

    for row, outcome in zip(rows, second.columns.outcomes, strict=True):
        if number("prompt", row.prompt) in first.test_prompts():
            assert outcome not in (Is.TRAIN, Is.VALIDATION)


def test_a_selection_that_went_wrong_is_found_by_its_proof() -> None:
    found = selected([Row(1, subject=3, near=2), Row(2, says=2, subject=3, near=2)])

    found.columns.outcomes[:] = bytes([Is.TRAIN, Is.TEST])

    assert found.overlaps() == {"prompt": 0, "subject": 1, "conversation": 0, "exact": 0, "near_duplicate": 1}


def test_other_answers_under_another_system_prompt_are_no_conflict() -> None:
    rows = [Row(prompt, says=frame, frame=frame) for prompt in range(20) for frame in (1, 2)]

    assert all(map(stays, outcomes(rows)))


def test_a_subject_s_examples_stay_where_they_are_as_it_grows() -> None:
    few = [Row(prompt, subject=prompt % 200 + 1) for prompt in range(400)]
    more = [*few, *(Row(prompt, subject=prompt % 200 + 1) for prompt in range(400, 900))]

    before, after = outcomes(few, Policy()), outcomes(more, Policy())[: len(few)]

    assert Is.TEST in after
    assert not [one for one, other in zip(before, after, strict=True) if one == Is.TRAIN and other == Is.TEST]
