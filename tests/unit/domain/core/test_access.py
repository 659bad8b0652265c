"""Keys and scopes: what a key lets through, and what it never tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW
from tuneloop.domain.core.access import ApiKey, Scope, key_hash
from tuneloop.domain.core.errors import Forbidden

SCOPES = st.frozensets(st.sampled_from(Scope))


def a_key(scopes: frozenset[Scope]) -> ApiKey:
    return ApiKey(id="key-1", tenant="acme", hash=key_hash("tl_secret"), scopes=scopes, created_at=NOW)


@given(SCOPES, st.sampled_from(Scope))
def test_a_key_allows_its_scopes_and_no_other(scopes: frozenset[Scope], wanted: Scope) -> None:
    key = a_key(scopes)

    if wanted in scopes:
        key.require(wanted)
    else:
        with pytest.raises(Forbidden):
            key.require(wanted)


def test_a_refusal_names_the_scope_that_lacks_and_those_there_are() -> None:
    key = a_key(frozenset({Scope.READ, Scope.INFER}))

    with pytest.raises(Forbidden, match=r"`train` \(it has: infer, read\)") as refusal:
        key.require(Scope.TRAIN)

    assert refusal.value.code == "insufficient_scope"


def test_a_key_without_scopes_is_told_so() -> None:
    with pytest.raises(Forbidden, match="it has: none"):
        a_key(frozenset()).require(Scope.READ)


def test_the_hash_of_a_key_is_the_sha_256_of_all_of_it() -> None:
    assert key_hash("tl_abc") == "c1e081e9240aead0b5290ad61bf6363b298a4125f92301e5ab44e0e78a1e9509"


@given(st.text(alphabet="abc-_"), st.text(alphabet="abc-_"))
def test_different_secrets_have_different_hashes(one: str, other: str) -> None:
    assert (key_hash(f"tl_{one}") == key_hash(f"tl_{other}")) == (one == other)
