"""Membership: what an export made of an example, found by its id alone."""

from collections.abc import Sequence
from hashlib import sha256

import pytest

from tests.unit.factories import an_export
from tuneloop.app import App
from tuneloop.domain.exports.columns import Columns, Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.store.objects.export_columns import Membership, members_key, packed_members

NAMES = sorted(sha256(str(number).encode()).hexdigest() for number in range(4000))


def stored(stage: App, ids: Sequence[str]) -> Export:
    export = an_export(examples=len(ids))
    columns = Columns(outcomes=bytearray(place % len(Outcome) for place in range(len(ids))))
    columns.ids.extend(int(name[:16], 16) for name in ids)
    stage.objects.put(members_key(export.prefix), packed_members(columns))
    return export


@pytest.mark.parametrize("count", [1, 2, 7, 4000])
def test_every_example_is_found_with_its_own_outcome(stage: App, count: int) -> None:
    ids = NAMES[:count] if count < 10 else NAMES
    export = stored(stage, ids)

    found = [Membership(stage.objects).outcome_in(export, name) for name in ids[:: max(1, count // 50)]]

    assert found == [Outcome(place % len(Outcome)) for place in range(0, len(ids), max(1, count // 50))]


def test_an_example_that_was_not_there_has_no_outcome(stage: App) -> None:
    export = stored(stage, NAMES[1:-1:2])

    absent = [NAMES[0], NAMES[-1], *NAMES[2:-2:400]]

    assert [Membership(stage.objects).outcome_in(export, name) for name in absent] == [None] * len(absent)
    assert Membership(stage.objects).outcome_in(stored(stage, []), NAMES[0]) is None


def test_ids_that_are_spread_unevenly_are_found_all_the_same(stage: App) -> None:
    ids = [f"{number:016x}{'0' * 48}" for number in range(3000)]
    export = stored(stage, ids)

    found = [Membership(stage.objects).outcome_in(export, ids[place]) for place in (0, 1500, 2999)]

    assert found == [Outcome(place % len(Outcome)) for place in (0, 1500, 2999)]
    assert Membership(stage.objects).outcome_in(export, "f" * 64) is None
