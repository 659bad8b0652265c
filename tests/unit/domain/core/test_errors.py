"""Refusals: each with a code that callers may rely on."""

import inspect

import pytest

from tuneloop.domain.core import errors
from tuneloop.domain.core.errors import Conflict, Outdated, Stale, TuneloopError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TuneloopError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_refusal_carries_its_message_code_and_field(kind: type[TuneloopError]) -> None:
    refusal = kind("The share must lie between 0 and 1.", param="share")

    assert str(refusal) == refusal.message == "The share must lie between 0 and 1."
    assert refusal.param == "share"
    assert refusal.code == kind.code


def test_no_two_refusals_share_a_code() -> None:
    # Outdated is told to callers as what it is, a stale write; only our own retries tell the two apart.
    codes = [kind.code for kind in KINDS if kind is not Outdated]

    assert len(set(codes)) == len(codes)


def test_a_code_of_its_own_belongs_to_one_refusal_only() -> None:
    special = Conflict("There is nothing to roll back to.", code="no_previous")

    assert special.code == "no_previous"
    assert Conflict("Something else.").code == "conflict"


def test_who_handles_a_conflict_handles_a_stale_write() -> None:
    with pytest.raises(Conflict):
        raise Stale("Read it again.")


def test_the_tree_in_the_docstring_names_every_refusal() -> None:
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in KINDS)
