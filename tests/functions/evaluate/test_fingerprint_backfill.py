"""Fingerprints of exports that older versions froze: made once, when they are needed, as the freeze would have."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export_data.freeze import FreezeDataset
from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import collect, example_id, ingest_lines, store_review
from tests.functions.erasures import erase_example, erase_subject, sweep_erasures
from tests.functions.evaluate.overlaps import form_letter
from tests.functions.export_data.strategies import LINES, POLICIES
from tests.functions.exports import freeze_export
from tests.unit.factories import a_dataset
from tests.world import BUCKET, World, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.datasets import Generation, OnDrop, PolicyChange
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.columns import Outcome, name_number
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint, Overlap
from tuneloop.domain.exports.selection import MOST_ALIKE
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut
from tuneloop.store.objects.export_columns import Fingerprints, fingerprints_key

SEEN = (Split.TRAIN, Split.VALIDATION)


def read(export: Export) -> list[Fingerprint]:
    return list(Fingerprints(app.objects).rows(export))


def backfilled(world: World, export: Export) -> list[Fingerprint]:
    """The fingerprints of an export as they are made once they are found to be missing."""
    world.s3.delete_object(Bucket=BUCKET, Key=fingerprints_key(export.folder))
    app.fingerprint_backfill.backfill(export)
    return read(export)


def stored(world: World, found: dict[str, Any]) -> Export:
    return app.exports.get(world.tenant, "support", found["id"])


def shared_with_itself(export: Export) -> int:
    """How many of an export's test rows a version of its own has seen."""
    prints = Fingerprints(app.objects)
    overlap = Overlap(prints.rows(export, (Split.TEST,)))
    overlap.add(prints.rows(export, SEEN))
    return sum(bool(overlap.kinds(row)) for row in prints.rows(export, (Split.TEST,)))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES, POLICIES, st.sets(st.integers(0, 39), max_size=4))
def test_what_is_made_later_is_what_the_freeze_would_have_written(
    rows: list[dict[str, Any]], policy: Policy, edited: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch, staged(patch) as world:
        policies = [PolicyChange(revision=0, policy=policy)]
        app.datasets.create(a_dataset(on_drop=OnDrop.COLLECT, policies=policies), None)
        ingest_lines(("acme", "support"), rows, "drop-1", utc_now())
        for number in edited & set(range(len(rows))):
            store_review(world, example_id(rows[number]), chat(f"What of the {number}th thing that I sent?", "yes"))
        stores = {name: getattr(app, name) for name in ("datasets", "contents", "exports", "objects", "trained")}
        export = FreezeDataset(**stores).freeze(
            "acme", "support", app.datasets.get("acme", "support").revision, utc_now()
        )
        written = read(export)

        assert backfilled(world, export) == written


def test_a_form_stays_a_form(world: World) -> None:
    collect(world, [form_letter(number) for number in range(200)])
    export = stored(world, freeze_export(world))
    written = read(export)

    assert export.in_forms > 100
    assert shared_with_itself(export) == 0
    assert backfilled(world, export) == written


def test_so_it_does_when_an_erasure_has_made_it_look_smaller(world: World, later: Later) -> None:
    lines = [form_letter(number) for number in range(MOST_ALIKE + 1)]
    others = [chat(f"Where is the {n}th parcel of {n * 7919}?", "late") for n in range(100)]
    collect(world, lines + others)
    before = freeze_export(world)
    assert before["in_forms"] > MOST_ALIKE
    for line in lines[:5]:
        erase_example(world, example_id(line))
    sweep_erasures(world, later)

    export = stored(world, before)
    made = backfilled(world, export)

    assert shared_with_itself(export) == 0
    assert len(made) == 116


def unlike(number: int) -> dict[str, Any]:
    asked = f"Where is the {number}th parcel of {number * 7919}?"
    return chat(asked, ("late", "lost")[number % 2], subject=f"s{number}")


def test_just_erased_rows_are_hashed_from_the_files_that_still_hold_them(world: World) -> None:
    lines = [unlike(number) for number in range(60)]
    collect(world, lines)
    export = stored(world, freeze_export(world))
    written = read(export)
    erase_subject(world, "s7")  # no sweep has come by: the export has its row yet

    made = backfilled(world, export)

    [before] = [row for row in written if row.subject == name_number("s7")]
    [after] = set(made) - set(written)
    assert after == before._replace(subject=0)
    assert [row for row in made if row != after] == [row for row in written if row != before]


def test_a_revision_that_was_merged_away_is_hashed_from_the_files(world: World) -> None:
    collect(world, [unlike(number) for number in range(60)])
    export = stored(world, freeze_export(world))
    written = read(export)
    alone = Generation(number=1, revision=2, segments=[], alone=True, created_at=utc_now())
    app.table.commit(ConditionalPut(keys.generation(world.tenant, "support", 1), alone))

    made = backfilled(world, export)

    assert made == [row._replace(subject=0) for row in written]


def test_a_segment_that_is_damaged_keeps_no_evaluation_waiting(world: World) -> None:
    collect(world, [unlike(number) for number in range(60)])
    export = stored(world, freeze_export(world))
    written = read(export)
    [segment] = app.datasets.segments(world.tenant, "support", 1)
    world.s3.put_object(Bucket=BUCKET, Key=segment.key, Body=b"damaged")

    assert [row.prompt for row in backfilled(world, export)] == [row.prompt for row in written]


def test_pairs_have_fingerprints_too(world: World) -> None:
    collect(world, steps.preferences(60))
    export = stored(world, freeze_export(world))
    written = read(export)
    alone = Generation(number=1, revision=2, segments=[], alone=True, created_at=utc_now())

    assert backfilled(world, export) == written
    app.table.commit(ConditionalPut(keys.generation(world.tenant, "support", 1), alone))
    assert [row[:4] for row in backfilled(world, export)] == [row[:4] for row in written]
    assert {row.outcome for row in written} >= {Outcome.TRAIN}


def test_fingerprints_that_are_there_are_left_as_they_are(world: World) -> None:
    collect(world, [unlike(number) for number in range(60)])
    export = stored(world, freeze_export(world))
    world.s3.put_object(Bucket=BUCKET, Key=fingerprints_key(export.folder), Body=b"")

    app.fingerprint_backfill.backfill(export)

    assert read(export) == []
