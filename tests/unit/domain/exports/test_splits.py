"""Splits: the same question always lands in the same place, and nothing that is tested was trained on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.exports.splits import (
    FEWEST_FOR_TEST,
    LARGEST_TEST_SHARE,
    MARKS,
    SMALLEST_TEST_SHARE,
    STRICTNESS,
    Shares,
    SplitAssignment,
    SplitUnit,
    assign,
    plan_shares,
    split_at,
)

NAMES = st.tuples(st.integers(0, 2), st.integers(1, 2**64 - 1))
MARKED = st.dictionaries(
    st.integers(0, 60),
    st.builds(
        SplitUnit, st.sampled_from(range(4)), NAMES, st.integers(0, 3), st.booleans(), st.booleans(), st.integers(1, 9)
    ),
    max_size=120,
)


SHARES = st.builds(Policy, validation=st.floats(0, 0.4), test=st.none() | st.floats(0, 0.4))
NO_TEST = Policy(take_test=False)


def bundle(number: int, testable: int = 1) -> SplitUnit:
    """Something unmarked whose prompt is told by its number."""
    return SplitUnit(0, (2, int(digest(number)[:16], 16)), testable, was_test=False)


def bundles(*numbers: int) -> dict[int, SplitUnit]:
    return {number: bundle(number) for number in numbers}


def drawn(count: int, salt: str) -> int:
    """How many of so many the hash alone would take for the test."""
    shares = plan_shares(count, marked_test=False)
    return sum(each.hash_split(salt, shares).split == Split.TEST for each in bundles(*range(count)).values())


@pytest.mark.parametrize("units", [0, 1, FEWEST_FOR_TEST - 1])
def test_few_prompts_are_all_needed_for_training(units: int) -> None:
    assert plan_shares(units, marked_test=False).test == 0


def test_a_test_set_is_drawn_only_where_its_largest_share_can_pass() -> None:
    assert FEWEST_FOR_TEST * LARGEST_TEST_SHARE >= FEWEST_ROWS > (FEWEST_FOR_TEST - 1) * LARGEST_TEST_SHARE


@given(st.integers(0, 200), st.text(max_size=4))
def test_a_test_set_that_is_drawn_is_large_enough_to_pass_the_gate(units: int, salt: str) -> None:
    _, places = assign(bundles(*range(units)), salt, DEFAULT)
    tested = sum(found.split == Split.TEST for found in places.values())

    assert tested == 0 or tested >= FEWEST_ROWS
    assert tested or units < 120


def test_a_test_set_that_would_be_too_small_is_none_at_all() -> None:
    salt = next(salt for salt in map(str, range(100)) if drawn(60, salt) < FEWEST_ROWS)

    shares, places = assign(bundles(*range(60)), salt, DEFAULT)

    assert shares.test == 0
    assert Split.TEST not in {found.split for found in places.values()}


@given(st.integers(0, 10**6))
def test_a_test_set_of_the_user_s_own_is_enough(units: int) -> None:
    assert plan_shares(units, marked_test=True).test == 0


@given(st.integers(FEWEST_FOR_TEST, 10**6))
def test_the_test_share_stays_in_its_bounds_and_falls_with_more_prompts(units: int) -> None:
    share, next_share = (plan_shares(count, marked_test=False).test for count in (units, units + 1))

    assert SMALLEST_TEST_SHARE <= next_share <= share <= LARGEST_TEST_SHARE


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_test_share_only_adds_to_the_test_set(position: float, one: float, other: float) -> None:
    small, large = (split_at(position, Shares(0.1, share)) for share in sorted((one, other)))

    if small == Split.TEST:
        assert large == Split.TEST


def test_shares_are_kept_and_another_salt_draws_another_set() -> None:
    units = bundles(*range(4000)).values()
    first, second = ([unit.hash_split(salt, Shares(0.1, 0.2)).split for unit in units] for salt in ("s1", "s2"))

    assert 720 < first.count(Split.TEST) < 880
    assert 330 < first.count(Split.VALIDATION) < 470
    assert 100 < sum(one == other == Split.TEST for one, other in zip(first, second, strict=True)) < 220


@given(MARKED, st.randoms(use_true_random=False))
def test_no_order_of_arrival_changes_where_anything_goes(marked: dict[int, SplitUnit], dice: object) -> None:
    shuffled = dict(sorted(marked.items(), key=lambda _: dice.random()))  # type: ignore[attr-defined]

    assert assign(shuffled, "salt", DEFAULT) == assign(marked, "salt", DEFAULT)


@given(MARKED)
def test_a_mark_decides_and_what_was_test_before_stays_test(
    marked: dict[int, SplitUnit],
) -> None:
    _, places = assign(marked, "salt", DEFAULT)

    for number, bundle in marked.items():
        mark = MARKS[bundle.strictness]
        if bundle.was_test or mark == Split.TEST:
            assert places[number].split == Split.TEST
        elif mark:
            assert places[number] == SplitAssignment(mark, is_marked=True)


@given(MARKED)
def test_what_was_never_test_is_not_drawn_where_no_test_is_wanted(marked: dict[int, SplitUnit]) -> None:
    shares, places = assign(marked, "salt", NO_TEST)

    assert shares.test == 0
    assert all(
        marked[number].was_test or MARKS[marked[number].strictness] == Split.TEST
        for number, found in places.items()
        if found.split == Split.TEST
    )


def test_what_only_users_said_about_answers_is_never_drawn_for_a_test() -> None:
    said = {number: bundle(number, testable=0) for number in range(400)}

    _, places = assign(said | bundles(*range(400, 800)), "salt", DEFAULT)

    assert Split.TEST not in {places[number].split for number in said}
    assert Split.TEST in {places[number].split for number in range(400, 800)}


@pytest.mark.parametrize(
    ("where", "mark", "split"),
    [
        (SplitAssignment(Split.TEST, is_marked=True), Split.TEST, Split.TEST),
        (SplitAssignment(Split.TEST, is_marked=True), Split.TRAIN, None),
        (SplitAssignment(Split.TEST, is_marked=True), None, None),
        (SplitAssignment(Split.VALIDATION, is_marked=True), None, None),
        (SplitAssignment(Split.TRAIN, is_marked=True), None, Split.TRAIN),
        (SplitAssignment(Split.TEST, is_marked=False), None, Split.TEST),
        (SplitAssignment(Split.TEST, is_marked=False), Split.TRAIN, None),
        (SplitAssignment(Split.TEST, is_marked=False), Split.TEST, Split.TEST),
        (SplitAssignment(Split.VALIDATION, is_marked=False), None, Split.VALIDATION),
    ],
)
def test_a_place_takes_what_carries_its_mark_or_was_drawn_without_one(
    where: SplitAssignment, mark: Split | None, split: Split | None
) -> None:
    assert where.takes(mark) == split


def test_what_is_more_than_a_tenth_of_all_rows_is_drawn_for_no_test() -> None:
    marked = bundles(*range(200))
    for large in range(20):
        marked[large].size = 60

    for salt in "abcdefgh":
        _, places = assign(marked, salt, DEFAULT)
        assert Split.TEST in {places[number].split for number in range(20, 200)}

    marked[0].size = 600
    assert not [salt for salt in range(50) if assign(marked, str(salt), DEFAULT)[1][0].split == Split.TEST]


def rows_of(
    marked: dict[int, SplitUnit], places: dict[int, SplitAssignment], split: Split, *, drawn: bool = False
) -> int:
    """How many rows of a split come from bundles, or from those alone that nobody marked and nothing tested before."""
    return sum(
        bundle.size
        for number, bundle in marked.items()
        if places[number].split == split and not (drawn and (bundle.strictness or bundle.was_test))
    )


@given(MARKED, SHARES, st.text(max_size=4))
def test_ten_rows_train_before_any_is_drawn_for_validation(
    marked: dict[int, SplitUnit], policy: Policy, salt: str
) -> None:
    _, places = assign(marked, salt, policy)

    drawn = rows_of(marked, places, Split.VALIDATION, drawn=True)
    free = rows_of(marked, places, Split.TEST, drawn=True) + drawn + rows_of(marked, places, Split.TRAIN)
    trained = rows_of(marked, places, Split.TRAIN)
    assert trained >= min(LEAST_TRAINED, free)
    assert trained >= LEAST_TRAINED or not drawn


@given(
    st.dictionaries(
        st.integers(0, 60),
        st.builds(
            SplitUnit,
            st.integers(0, 2),
            NAMES,
            st.integers(0, 3),
            st.just(False),
            st.booleans(),
            st.integers(1, 9),
        ),
        max_size=120,
    ),
    SHARES,
    st.text(max_size=4),
)
def test_below_fifty_unmarked_units_nothing_is_drawn_for_a_test(
    marked: dict[int, SplitUnit], policy: Policy, salt: str
) -> None:
    unmarked = sum(not bundle.strictness for bundle in marked.values())

    shares, places = assign(marked, salt, policy)

    if unmarked < FEWEST_FOR_TEST:
        assert shares.test == 0
        assert Split.TEST not in {place.split for place in places.values()}


@given(MARKED, SHARES, st.text(max_size=4))
def test_what_a_version_was_seen_on_is_never_drawn_for_a_test(
    marked: dict[int, SplitUnit], policy: Policy, salt: str
) -> None:
    _, places = assign(marked, salt, policy)

    for number, bundle in marked.items():
        if bundle.was_seen and not bundle.strictness and not bundle.was_test:
            assert places[number].split != Split.TEST


def test_a_mark_of_the_user_s_own_is_kept_on_what_was_seen_on() -> None:
    own = SplitUnit(STRICTNESS[Split.TEST], (2, 1), 1, was_test=False, was_seen=True)

    _, places = assign(bundles(*range(20)) | {99: own}, "s", DEFAULT)

    assert places[99].split == Split.TEST


@given(st.integers(LEAST_TRAINED, 49), SHARES, st.text(max_size=4))
def test_ten_prompts_and_more_are_always_enough_to_train_on(units: int, policy: Policy, salt: str) -> None:
    _, places = assign(bundles(*range(units)), salt, policy)

    splits = [place.split for place in places.values()]
    assert splits.count(Split.TRAIN) >= LEAST_TRAINED
    assert splits.count(Split.TEST) == 0


def test_by_the_first_rules_a_draw_may_leave_fewer_than_ten_to_train_on() -> None:
    salt = next(salt for salt in map(str, range(100)) if _trained(salt, FIRST_RULES) < LEAST_TRAINED)

    assert _trained(salt, FIRST_RULES) < LEAST_TRAINED == _trained(salt, 2)


def _trained(salt: str, rules: int) -> int:
    _, places = assign(bundles(*range(LEAST_TRAINED)), salt, DEFAULT, rules=rules)
    return sum(place.split == Split.TRAIN for place in places.values())


@pytest.mark.parametrize(
    ("policy", "validation", "test"),
    [
        (Policy(), 0.1, 0.1),
        (Policy(validation=0), 0, 0.1),
        (Policy(test=0), 0.1, 0),
        (Policy(take_test=False), 0.1, 0),
        (Policy(validation=0, test=0), 0, 0),
        (Policy(validation=0.4, test=0.4), 0.4, 0.4),
        (Policy(validation=0.05, test=0.02), 0.05, 0.02),
    ],
    ids=["planned", "no validation", "test 0", "no test", "neither", "both at their most", "small"],
)
def test_shares_are_those_of_the_policy(policy: Policy, validation: float, test: float) -> None:
    shares, places = assign(bundles(*range(1000)), "s", policy)

    splits = [place.split for place in places.values()]
    assert shares.validation == validation
    assert shares.test == pytest.approx(test, abs=0.001)
    assert splits.count(Split.VALIDATION) == pytest.approx(1000 * validation, abs=40)
    assert splits.count(Split.TEST) == pytest.approx(1000 * test, abs=50)


def test_a_share_that_was_asked_for_is_taken_though_its_test_is_small() -> None:
    _, planned = assign(bundles(*range(60)), "0", DEFAULT)
    _, asked = assign(bundles(*range(60)), "0", Policy(test=0.1))

    assert sum(place.split == Split.TEST for place in planned.values()) in (0, *range(FEWEST_ROWS, 60))
    assert 0 < sum(place.split == Split.TEST for place in asked.values()) < FEWEST_ROWS
