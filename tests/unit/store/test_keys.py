"""Keys: nothing of one tenant's can be read, listed or begun with through another's, and no two things share a key."""

import inspect
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.factories import NAMES, NOW, SECOND
from tuneloop.store import keys
from tuneloop.store.keys import Key

NO_TENANTS: set[Any] = {keys.api_key, keys.tenant, keys.provider, keys.refused_drop, keys.job, keys.shutdowns}
FORMATS = [
    each
    for _, each in inspect.getmembers(keys, inspect.isfunction)
    if inspect.signature(each).return_annotation is Key and each not in NO_TENANTS
]
WHOSE_TEXT_IS_FREE = {"inference", "cause", "batch"}
FREE = st.text(alphabet="ab#T-.", min_size=1, max_size=8)


def value_of(name: str, kind: type) -> st.SearchStrategy[Any]:
    """What may stand in a place of a key: a name, a number, or for some any text at all."""
    if kind is int:
        return st.integers(0, 10**6)
    if name == "day":
        return st.dates().map(lambda day: day.isoformat())
    return FREE if name in WHOSE_TEXT_IS_FREE else NAMES


@st.composite
def keys_of(draw: st.DrawFn, tenant: str) -> Key:
    """Any key of a tenant's."""
    made = draw(st.sampled_from(FORMATS))
    _, *others = inspect.signature(made).parameters.values()
    key: Key = made(tenant, *(draw(value_of(each.name, each.annotation)) for each in others))
    return key


@pytest.mark.parametrize("made", FORMATS, ids=lambda made: made.__name__)
def test_the_first_argument_of_every_key_is_its_tenant(made: Any) -> None:
    assert next(iter(inspect.signature(made).parameters)) in ("tenant_id", "tenant")


@given(st.data(), NAMES, NAMES)
def test_no_key_of_a_tenant_is_reached_through_another(data: st.DataObject, one: str, other: str) -> None:
    ours, theirs = data.draw(keys_of(one)), data.draw(keys_of(other))

    assert ours.pk.startswith(f"T#{one}#")
    if one != other:
        assert ours.pk != theirs.pk
        assert not ours.pk.startswith(f"T#{other}#")


@given(st.data(), st.sampled_from(FORMATS))
def test_two_things_of_a_kind_never_share_a_key(data: st.DataObject, made: Any) -> None:
    _, *others = inspect.signature(made).parameters.values()
    one, other = ([data.draw(value_of(each.name, each.annotation)) for each in others] for _ in range(2))

    assert (made("acme", *one) == made("acme", *other)) == (one == other)


@given(NAMES, NAMES)
def test_what_stands_outside_of_tenants_is_nobody_s(tenant: str, name: str) -> None:
    for outside in (
        keys.api_key("0" * 64).pk,
        keys.tenant(name).pk,
        keys.refused_drop(name).pk,
        keys.OPEN_RUNS,
        keys.UNRELAYED,
    ):
        assert not outside.startswith(f"T#{tenant}#")


@example(number=9, seq=99)
@given(st.integers(0, 999_998), st.integers(0, 99_999_998))
def test_numbers_sort_as_numbers(number: int, seq: int) -> None:
    assert keys.version("acme", "support", number).sk < keys.version("acme", "support", number + 1).sk
    assert keys.history("acme", "support", seq).sk < keys.history("acme", "support", seq + 1).sk
    assert keys.look("acme", "support", seq).sk < keys.look("acme", "support", seq + 1).sk
    assert keys.event("acme", "run.r", seq).sk < keys.event("acme", "run.r", seq + 1).sk


def test_versions_history_and_decisions_of_a_model_lie_together_and_apart() -> None:
    rows = [
        keys.version("acme", "support", 1),
        keys.deployment("acme", "support"),
        keys.history("acme", "support", 1),
        keys.decision("acme", "support", "eval-1"),
    ]

    assert len({row.pk for row in rows}) == 1
    assert len({row.sk.partition("#")[0] for row in rows}) == 4


@given(st.integers(0, 10**10), st.integers(1, 10**10))
def test_listings_and_sweeps_sort_by_time_to_the_microsecond(micros: int, more: int) -> None:
    earlier, later = NOW + micros / 1e6 * SECOND, NOW + (micros + more) / 1e6 * SECOND

    if earlier < later:
        assert keys.swept("S", earlier)["sweep_sk"] < keys.swept("S", later)["sweep_sk"]
        assert keys.by_time("L", earlier, "z")["list_sk"] < keys.by_time("L", later, "a")["list_sk"]


def test_two_things_of_one_moment_have_places_of_their_own_in_a_listing() -> None:
    assert keys.by_time("L", NOW, "run-1") != keys.by_time("L", NOW, "run-2")
