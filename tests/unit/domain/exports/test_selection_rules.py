"""Selection by the latest rules: short chats, ten to train on, and what versions have seen already."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fingerprints import SEEN, fingerprints_of, shared
from tests.unit.selection_rows import ALL, Row, columns_of, many, number, selected
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.exports.policy_filter import LengthBasis
from tuneloop.domain.exports.selection import select


def lengths(*characters: int) -> list[Row]:
    """Different questions with different answers, their users saying so many characters."""
    return [Row(prompt, says=prompt, characters=each) for prompt, each in enumerate(characters)]


def test_short_messages_are_left_out_but_where_answers_are_a_closed_set() -> None:
    short = lengths(*[19] * 9, *[20] * 10)
    labelled = [Row(prompt, says=prompt % 2, characters=3) for prompt in range(9)]

    assert selected(short).exclusion_counts() == {"too_short": 9}
    assert selected(short).length == (20, LengthBasis.DEFAULT)
    assert selected(labelled).exclusion_counts() == {}
    assert selected(labelled).length == (0, LengthBasis.CLOSED_ANSWERS)
    assert selected(labelled, Policy(min_user_characters=4, take_test=False)).exclusion_counts() == {"too_short": 9}
    assert selected([Row(1, characters=20), *many(3)]).exclusion_counts() == {}


@pytest.mark.parametrize(
    ("characters", "left_out"),
    [
        ([11, 12, 19], 0),
        ([19, 19, 20], 0),
        ([19, 20, 20], 1),
        ([19, 20], 0),
        ([19, 19, 500, 20, 30], 2),
        ([0, 0, 0, 50, 60], 0),
        ([20, 21], 0),
        ([1], 0),
    ],
    ids=str,
)
def test_where_the_median_message_is_short_nothing_is_too_short(characters: list[int], left_out: int) -> None:
    found = selected(lengths(*characters))
    backwards = selected(lengths(*reversed(characters)))

    assert found.exclusion_counts().get("too_short", 0) == left_out == backwards.exclusion_counts().get("too_short", 0)
    assert found.length == backwards.length
    assert (found.length.basis == LengthBasis.SHORT_MESSAGES) == (
        2 * sum(each < 20 for each in characters) >= len(characters)
    )


def test_short_chats_are_left_out_by_the_first_rules_and_by_policy() -> None:
    short = lengths(*[11] * 9)

    assert select(columns_of(short), ALL, "s", set(), rules=FIRST_RULES).exclusion_counts() == {"too_short": 9}
    assert selected(short, Policy(min_user_characters=20)).exclusion_counts() == {"too_short": 9}


def test_the_median_is_of_what_passes_the_filters_and_no_user_s_own_test() -> None:
    rejected = [Row(100 + n, says=n, characters=3, outcome=Is.REJECTED) for n in range(9)]
    tested = [Row(200 + n, says=100 + n, characters=3, mark=Split.TEST) for n in range(9)]

    found = selected([*lengths(19, 20, 21), *rejected, *tested])

    assert found.exclusion_counts() == {"too_short": 1, "rejected": 9}


def test_what_users_marked_is_counted_where_it_went() -> None:
    rows = [
        *many(30),
        Row(1, mark=Split.TEST),
        Row(2, mark=Split.TEST),
        Row(3, mark=Split.VALIDATION),
        Row(4, mark=Split.TRAIN),
    ]

    assert selected(rows).marked_counts() == {Split.TEST: 2, Split.VALIDATION: 1}
    assert selected(many(30)).marked_counts() == {}


@given(st.integers(1, 40), st.integers(0, 20), st.text(max_size=3))
def test_up_to_ten_rows_train_before_any_validates(rows: int, marked: int, salt: str) -> None:
    own = [Row(prompt, says=prompt, mark=Split.VALIDATION) for prompt in range(marked)]

    found = [Is(outcome) for outcome in selected([*many(rows), *own], DEFAULT, salt=salt).columns.outcomes]

    assert found.count(Is.TRAIN) >= min(rows, LEAST_TRAINED)
    assert Is.TEST not in found
    assert found[rows:] == [Is.VALIDATION] * marked


@pytest.mark.parametrize("tied_by", ["prompt", "was", "subject", "group", "near"])
def test_what_belongs_to_what_was_trained_on_is_drawn_for_no_test(tied_by: str) -> None:
    """Trained on are the first 100 rows; each of the others is tied to one of them."""
    ties = [place % 100 + 1 for place in range(300)]
    rows = [Row(place, says=place, subject=tie, group=tie, near=tie) for place, tie in enumerate(ties)]
    for place, row in enumerate(rows):
        for tie in {"subject", "group", "near"} - {tied_by}:
            setattr(row, tie, 0)
        if place >= 100:
            row.prompt = place % 100 if tied_by == "prompt" else row.prompt
            row.was = place % 100 if tied_by == "was" else None
    seen = [Fingerprint(0, number("prompt", row.prompt), 0, 0, row.subject, row.group, (0,)) for row in rows[:100]]
    policy = Policy(test=0.4, near_duplicates=True, conflicting=True)

    without = select(columns_of(rows), policy, "s", set())
    found = select(columns_of(rows), policy, "s", set(), seen=seen)

    assert Is.TEST in without.columns.outcomes
    assert Is.TEST not in found.columns.outcomes


def test_what_nothing_was_trained_on_is_tested_with_as_before() -> None:
    rows = many(400)
    seen = [Fingerprint(0, number("prompt", row.prompt), 0, 0, 0, 0, (0,)) for row in rows[:200]]

    before, found = selected(rows, DEFAULT), select(columns_of(rows), DEFAULT, "s", set(), seen=seen)

    assert Is.TEST not in found.columns.outcomes[:200]
    assert found.columns.outcomes[200:] == before.columns.outcomes[200:]


@given(st.text(max_size=3), st.integers(20, 49), st.integers(0, 3))
def test_the_gate_finds_nothing_in_the_test_of_a_dataset_that_has_grown(salt: str, size: int, ties: int) -> None:
    """A first version is trained and validated where there are too few prompts for a test, a second one beside it."""
    first = [Row(place, says=place, subject=place // 2 + 1, group=place % 9 * ties) for place in range(size)]
    grown = [
        *first,
        *(Row(1000 + place, says=place, subject=1000 + place // 2) for place in range(120)),
        *(Row(2000 + place, says=place, subject=place // 2 + 1, was=place) for place in range(0, size, 5)),
    ]

    seen = fingerprints_of(selected(first, DEFAULT, salt=salt).columns)
    after = select(columns_of(grown), Policy(test=0.4), salt, set(), seen=(row for row in seen if row.outcome in SEEN))

    assert Is.TEST not in {row.outcome for row in seen}
    assert Is.TEST in after.columns.outcomes
    assert not set().union(*shared(fingerprints_of(after.columns), seen))


@given(st.text(max_size=3))
def test_what_replaces_a_near_duplicate_that_was_seen_is_in_no_test(salt: str) -> None:
    first = [Row(place, says=place, near=place + 1) for place in range(49)]
    grown = [Row(3000 + place, says=place, near=place + 1) for place in range(49)] + first + many(60)

    seen = fingerprints_of(selected(first, DEFAULT, salt=salt).columns)
    after = select(columns_of(grown), Policy(test=0.4), salt, set(), seen=seen)

    assert after.exclusion_counts() == {"near_duplicate": 49}
    assert not set().union(*shared(fingerprints_of(after.columns), seen))


def test_nothing_is_held_of_the_rows_that_versions_have_seen() -> None:
    columns = columns_of(many(100))
    rows = (Fingerprint(0, place, 0, place, place, place, (place,)) for place in range(1, 5000))

    tracemalloc.start()
    columns.mark_seen(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5000 * 8
