"""Columns of an export as they are stored: fingerprints of examples in a split, and what was made of each example."""

from array import array
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from tests.unit.factories import an_export
from tests.unit.fingerprints import fingerprints_of
from tests.unit.selection_rows import number
from tuneloop.app import App
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.exports.columns import SPLIT_OF, Columns, Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.store.objects.export_columns import (
    ROW,
    Fingerprints,
    Membership,
    fingerprints_key,
    members_key,
    pack_members,
    write_fingerprints,
)
from tuneloop.validation.minhash import BANDS


def columns_of(examples: int) -> Columns:
    """Examples with every outcome in turn; each third was edited, each second has a subject and a conversation."""
    columns = Columns(bands=[array("Q") for _ in range(BANDS)])
    for place in range(examples):
        columns.outcomes.append(place % len(Outcome))
        columns.ids.append(number("id", place) >> 20 | place << 44)  # in order, as ids are
        columns.unit.append(number("unit", place))
        columns.normal.append(number("normal", place))
        columns.subject.append(number("subject", place) if place % 2 else 0)
        columns.group.append(number("group", place) if place % 2 else 0)
        for index, band in enumerate(columns.bands):
            band.append(number("band", index, place) >> 32 if place % 5 else 0)
        if place % 3 == 0:
            columns.origin[place] = number("origin", place)
    return columns


def stored(stage: App, columns: Columns, **changes: Any) -> Export:
    export = an_export(examples=len(columns), **changes)
    write_fingerprints(export.folder, columns, stage.objects)
    stage.objects.put(members_key(export.folder), pack_members(columns))
    return export


@pytest.mark.parametrize("examples", [0, 1, 3, 200])
def test_fingerprints_are_read_as_they_were_written(examples: int, stage: App) -> None:
    columns = columns_of(examples)
    export = stored(stage, columns)

    found = list(Fingerprints(stage.objects).rows(export))

    assert found == fingerprints_of(columns)


def test_those_of_some_splits_are_read_alone(stage: App) -> None:
    export = stored(stage, columns_of(60))

    found = [row.outcome for row in Fingerprints(stage.objects).rows(export, (Split.TRAIN, Split.VALIDATION))]

    assert found == [Outcome.TRAIN, Outcome.VALIDATION] * 4


def test_many_are_written_and_read_in_pieces(stage: App, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = columns_of(100)
    whole = list(Fingerprints(stage.objects).rows(stored(stage, columns)))

    monkeypatch.setattr("tuneloop.store.objects.export_columns.ROWS_AT_ONCE", 7)

    assert list(Fingerprints(stage.objects).rows(stored(stage, columns))) == whole


def test_an_export_of_an_older_version_has_none(stage: App) -> None:
    with pytest.raises(NotFound):
        next(Fingerprints(stage.objects).rows(an_export(id="export-older")))


def test_what_was_erased_goes_and_the_others_stay(stage: App) -> None:
    columns = columns_of(90)
    export = stored(stage, columns)
    members = list(Membership(stage.objects).all(export))
    gone = {members[place].id for place in (0, 1, 3, 17, 89)}  # in train, in validation, left out, in test, left out

    Fingerprints(stage.objects).rewrite(export, "exports/anew", members, gone)

    body = b"".join(stage.objects.pieces(fingerprints_key("exports/anew")))
    kept = [row for place, row in enumerate(members) if row.outcome in SPLIT_OF and row.id not in gone]
    assert len(body) == len(kept) * ROW.size
    before = {row.prompt for row in Fingerprints(stage.objects).rows(export)}
    after = {row[1] for row in ROW.iter_unpack(body)}
    assert before - after == {columns.unit[place] for place in (0, 1, 17)}


def test_an_export_without_any_is_rewritten_all_the_same(stage: App) -> None:
    Fingerprints(stage.objects).rewrite(an_export(id="export-older"), "exports/none", [], set())

    with pytest.raises(NotFound):
        stage.objects.download(fingerprints_key("exports/none"))


NAMES = sorted(sha256(str(n).encode()).hexdigest() for n in range(4000))


def stored_members(stage: App, ids: Sequence[str]) -> Export:
    export = an_export(examples=len(ids))
    columns = Columns(outcomes=bytearray(place % len(Outcome) for place in range(len(ids))))
    columns.ids.extend(int(name[:16], 16) for name in ids)
    stage.objects.put(members_key(export.prefix), pack_members(columns))
    return export


@pytest.mark.parametrize("count", [1, 2, 7, 4000])
def test_every_example_is_found_with_its_own_outcome(stage: App, count: int) -> None:
    ids = NAMES[:count] if count < 10 else NAMES
    export = stored_members(stage, ids)

    found = [Membership(stage.objects).outcome_in(export, name) for name in ids[:: max(1, count // 50)]]

    assert found == [Outcome(place % len(Outcome)) for place in range(0, len(ids), max(1, count // 50))]


def test_an_example_that_was_not_there_has_no_outcome(stage: App) -> None:
    export = stored_members(stage, NAMES[1:-1:2])

    absent = [NAMES[0], NAMES[-1], *NAMES[2:-2:400]]

    assert [Membership(stage.objects).outcome_in(export, name) for name in absent] == [None] * len(absent)
    assert Membership(stage.objects).outcome_in(stored_members(stage, []), NAMES[0]) is None


def test_ids_that_are_spread_unevenly_are_found_all_the_same(stage: App) -> None:
    ids = [f"{n:016x}{'0' * 48}" for n in range(3000)]
    export = stored_members(stage, ids)

    found = [Membership(stage.objects).outcome_in(export, ids[place]) for place in (0, 1500, 2999)]

    assert found == [Outcome(place % len(Outcome)) for place in (0, 1500, 2999)]
    assert Membership(stage.objects).outcome_in(export, "f" * 64) is None
