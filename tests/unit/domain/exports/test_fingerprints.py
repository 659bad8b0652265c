"""Fingerprints: which test rows share something with what a version has seen, by numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fingerprints import SEEN, fingerprints_of, shared
from tests.unit.selection_rows import POLICIES, ROWS, Row, columns_of, number, selected
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.fingerprints import OVERLAP_KINDS, Fingerprint, KeyFlags
from tuneloop.domain.exports.selection import MOST_ALIKE, SelectionResult, select


def one(outcome: Is, **hashes: int) -> Fingerprint:
    plain = {"prompt": number(outcome, "prompt"), "exact": number(outcome, "exact")}
    fields = plain | {"origin": 0, "subject": 0, "conversation": 0} | hashes
    bands = (fields.pop("band", 0), fields.pop("other_band", 0))
    return Fingerprint(outcome=outcome, **fields, bands=bands)


@pytest.mark.parametrize(
    ("test", "seen", "kinds"),
    [
        ({}, {}, set()),
        ({"prompt": 7}, {"prompt": 7}, {"prompt"}),
        ({"prompt": 7}, {"origin": 7}, {"prompt"}),
        ({"origin": 7}, {"prompt": 7}, {"prompt"}),
        ({"origin": 7}, {"origin": 7}, {"prompt"}),
        ({"exact": 7}, {"exact": 7}, {"exact"}),
        ({"subject": 7}, {"subject": 7}, {"subject"}),
        ({"conversation": 7}, {"conversation": 7}, {"conversation"}),
        ({"band": 7}, {"band": 7}, {"near_duplicate"}),
        ({"other_band": 7}, {"other_band": 7}, {"near_duplicate"}),
        ({"band": 7}, {"other_band": 7}, set()),
        ({"subject": 7}, {"conversation": 7}, set()),
        ({"prompt": 7}, {"exact": 7}, set()),
        ({"prompt": 7, "subject": 3}, {"prompt": 7, "subject": 3}, {"prompt", "subject"}),
        ({"subject": 2**64 - 1}, {"subject": 2**64 - 1}, {"subject"}),
    ],
)
def test_rows_share_what_has_the_same_hash_of_the_same_kind(
    test: dict[str, int], seen: dict[str, int], kinds: set[str]
) -> None:
    assert shared([one(Is.TEST, **test)], [one(Is.TRAIN, **seen)]) == [kinds]
    assert shared([one(Is.TEST, **test)], [one(Is.VALIDATION, **seen)]) == [kinds]
    assert shared([one(Is.TEST, **test)], [one(Is.TEST, **seen)]) == [set()]


def test_rows_are_told_apart_from_each_other() -> None:
    tests = [one(Is.TEST, prompt=number(place), subject=place % 3) for place in range(9)]

    found = shared(tests, [one(Is.TRAIN, subject=1), one(Is.TRAIN, prompt=number(5))])

    assert found == [set(), {"subject"}, set(), set(), {"subject"}, {"prompt"}, set(), {"subject"}, set()]


HASHES = st.integers(0, 20) | st.integers(0, 2**64 - 1) | st.just(2**64 - 1)


@given(st.lists(HASHES, max_size=80), st.lists(HASHES))
def test_of_some_hashes_those_are_met_that_streamed_past(keys: list[int], others: list[int]) -> None:
    flags = KeyFlags(keys)
    streamed = [*others, *keys[::2]]

    for key in streamed:
        flags.meet(key)

    assert {key for key in {*keys, *others} if flags.is_met(key)} == set(keys) & set(streamed) - {0}


@given(ROWS, POLICIES, st.lists(st.integers(1, 30), max_size=5))
def test_an_export_shares_nothing_with_a_version_of_its_own(
    rows: list[Row], policy: Policy, held_out: list[int]
) -> None:
    found = selected(rows, policy, held_out)

    prints = fingerprints_of(found.columns)
    assert set().union(*shared(prints, prints)) == set()
    assert set(found.overlaps().values()) == {0}


@given(st.integers(MOST_ALIKE + 1, 150), st.booleans())
def test_so_does_one_whose_examples_fill_in_a_form(size: int, near_duplicates: bool) -> None:
    form = [Row(prompt, says=prompt % 2, near=9) for prompt in range(size)]

    found = selected(form, Policy(near_duplicates=near_duplicates))

    prints = fingerprints_of(found.columns)
    assert found.boilerplate == size
    assert set().union(*shared(prints, prints)) == set()


@given(ROWS, ROWS)
def test_two_exports_share_what_one_selection_of_both_finds_in_two_splits(first: list[Row], second: list[Row]) -> None:
    seen = [row for row in fingerprints_of(selected(first, Policy()).columns) if row.outcome in SEEN]
    asked = [row for row in fingerprints_of(selected(second, Policy()).columns) if row.outcome == Is.TEST]

    found = shared(asked, seen)

    for test, kinds in zip(asked, found, strict=True):
        both = together([*(row._replace(outcome=Is.TRAIN) for row in seen), test]).overlaps()
        assert kinds == {kind for kind in OVERLAP_KINDS if both[kind]}


def together(rows: list[Fingerprint]) -> SelectionResult:
    """These rows as one selection, whatever their splits share."""
    columns = columns_of([Row(0) for _ in rows])
    columns.outcomes[:] = bytes(row.outcome for row in rows)
    for place, row in enumerate(rows):
        columns.unit[place], columns.normal[place] = row.prompt, row.exact
        columns.subject[place], columns.group[place] = row.subject, row.conversation
        columns.bands[0][place] = row.bands[0]
        if row.origin:
            columns.origin[place] = row.origin
    plain = select(columns_of([]), Policy(), "s", set())
    return SelectionResult(columns, plain.kind, plain.length, plain.shares, 0, 0, 0, 0)


def test_what_was_edited_stays_with_what_it_was_edited_from() -> None:
    """Asked 300 times over, so that an example that stands alone would land in each of the splits."""
    asked = [Row(place, says=place, subject=2 * place + 1) for place in range(300)]
    edited = [Row(place + 1000, says=place, subject=2 * place + 2, was=place) for place in range(300)]

    found = selected([*asked, *edited], Policy())

    outcomes = list(found.columns.outcomes)
    assert outcomes[:300] == outcomes[300:]
    assert {Is.TRAIN, Is.TEST} <= set(outcomes)
