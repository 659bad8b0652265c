"""Leases: held until they run out, by whoever took them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW, SECOND
from tuneloop.domain.core.leases import Lease


@given(st.floats(0, 10_000), st.floats(-10_000, 20_000))
def test_a_lease_keeps_others_out_until_its_time_is_over(seconds: float, later: float) -> None:
    taken = Lease(owner="worker-1", until=NOW + seconds * SECOND)

    assert taken.is_held(NOW + later * SECOND) == (NOW + later * SECOND < NOW + seconds * SECOND)


def test_at_the_very_end_it_is_free() -> None:
    taken = Lease(owner="worker-1", until=NOW + 60 * SECOND)

    assert taken.is_held(NOW + 59.999 * SECOND)
    assert not taken.is_held(NOW + 60 * SECOND)


def test_it_survives_being_stored() -> None:
    taken = Lease(owner="worker-1", until=NOW + 60 * SECOND)

    assert Lease.model_validate_json(taken.model_dump_json()) == taken
