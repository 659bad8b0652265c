"""Compaction: many segments become few, and nobody who reads the dataset can tell."""

import json
from datetime import timedelta
from typing import Any

import pytest

from erase_examples import compact as compacting
from erase_examples.compact import CompactDataset
from erase_examples.rewrite import RewriteDataset
from tests.examples import chat
from tests.functions.conftest import Later
from tests.functions.datasets import collect, example_id, example_ids, store_review
from tests.functions.erasures import erase_example, erase_subject, stored_bytes, sweep_erasures
from tests.functions.exports import freeze_export, split_lines
from tests.functions.providers import Killed
from tests.functions.write_faults import crash_at_write
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import Conflict, Stale
from tuneloop.domain.core.limits import MERGED_KEPT
from tuneloop.domain.datasets.reviews import Status
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store import keys

DAYS_8 = 8 * 24 * 3600


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merging is due after three segments, not sixty-four."""
    monkeypatch.setattr(compacting, "SEGMENTS_UNMERGED", 3)


def filled(world: World, drops: int = 5) -> list[dict[str, Any]]:
    """A dataset of several drops, that have lines in common; gives its lines."""
    lines = [chat(f"Where is the {n}th parcel of {n * 7919}?", ("late", "lost")[n % 2]) for n in range(drops * 10)]
    for drop in range(drops):
        collect(world, lines[drop * 10 : drop * 10 + 12], name=f"{drop}.jsonl")
    return lines


def segments(world: World, revision: int | None = None) -> list[str]:
    found = app.datasets.get(world.tenant, "support")
    return [segment.sha256 for segment in app.datasets.segments(world.tenant, "support", revision or found.revision)]


def test_many_segments_become_one_and_neither_contents_nor_revision_change(world: World) -> None:
    lines = filled(world)
    before = app.datasets.get(world.tenant, "support")

    world.schedule("erase-examples")

    assert len(segments(world)) == 1
    assert example_ids(world) == {example_id(line) for line in lines}
    assert app.datasets.get(world.tenant, "support").revision == before.revision


def test_an_export_is_the_same_before_and_after(world: World) -> None:
    filled(world)
    store_review(world, example_id(chat("Where is the 1th parcel of 7919?", "lost")), status=Status.REJECTED)
    before = freeze_export(world)
    rows = {split: split_lines(world, before, split) for split in before["files"]}
    for row in (keys.export("acme", "support", before["id"]), keys.event("acme", f"export.{before['id']}", 1)):
        world.dynamodb.delete_item(TableName=app.table.name, Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}})

    world.schedule("erase-examples")
    after = freeze_export(world)

    assert len(segments(world)) == 1
    assert after["id"] == before["id"]
    assert {split: file["sha256"] for split, file in after["files"].items()} == {
        split: file["sha256"] for split, file in before["files"].items()
    }
    assert {split: split_lines(world, after, split) for split in after["files"]} == rows


def test_an_earlier_revision_can_be_read_for_a_week_and_then_is_gone(world: World, later: Later) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    with app.contents.examples(world.tenant, "support", 1) as examples:
        assert {example.stored.id for example in examples} == {example_id(line) for line in lines[:12]}

    later(DAYS_8)
    world.schedule("erase-examples")

    with pytest.raises(Conflict, match="the earliest that can be read is 5"):
        app.datasets.segments(world.tenant, "support", 1)
    assert len(list(app.objects.all_versions("datasets/"))) == 1
    assert example_ids(world) == {example_id(line) for line in lines}
    assert timedelta(seconds=DAYS_8) > MERGED_KEPT


def test_a_file_merged_long_ago_still_adds_nothing_when_dropped_again(world: World, later: Later) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    later(DAYS_8)
    world.schedule("erase-examples")

    collect(world, lines[:12], name="again.jsonl")

    assert app.datasets.get(world.tenant, "support").revision == 5
    assert example_ids(world) == {example_id(line) for line in lines}


def test_merged_segments_are_kept_until_every_erasure_is_cleared(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = filled(world)
    freeze_export(world)
    erase_example(world, example_id(lines[3]))

    def fails(*_: Any) -> None:
        raise Stale("somebody else is at it")

    monkeypatch.setattr(RewriteDataset, "_rewrite_exports", fails)
    for _ in range(2):
        with pytest.raises(FunctionFailed):
            world.schedule("erase-examples")
        later(DAYS_8)
    monkeypatch.undo()
    monkeypatch.setattr(compacting, "SEGMENTS_UNMERGED", 3)
    sweep_erasures(world, later)

    assert json.dumps(lines[3]["messages"][0]["content"]).encode() not in stored_bytes(world)


def test_what_comes_while_it_is_merged_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = filled(world)
    more = chat("Hello", "hi")
    add = app.generations.add

    def interrupted(*place: Any, **told: Any) -> bool:
        collect(world, [more], name="more.jsonl")
        return add(*place, **told)

    monkeypatch.setattr(app.generations, "add", interrupted)
    world.schedule("erase-examples")

    assert len(segments(world)) == 2
    assert example_ids(world) == {example_id(line) for line in [*lines, more]}


def test_a_merge_that_began_before_an_erasure_comes_to_nothing(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    hers = chat("Where is my order?", "late", subject="alice")
    collect(world, [hers], name="hers.jsonl")
    add = app.generations.add

    def interrupted(*place: Any, **told: Any) -> bool:
        monkeypatch.undo()
        erase_subject(world, "alice")
        sweep_erasures(world, later)
        return add(*place, **told)

    with monkeypatch.context() as patch:
        patch.setattr(compacting, "SEGMENTS_UNMERGED", 3)
        patch.setattr(app.generations, "add", interrupted)
        world.schedule("erase-examples")

    assert example_id(hers) not in example_ids(world)
    assert app.datasets.get(world.tenant, "support").generation == 0
    assert b"alice" not in stored_bytes(world)


def test_two_merges_at_once_make_one_generation(world: World) -> None:
    filled(world)
    dataset = app.datasets.get(world.tenant, "support")
    compaction = CompactDataset(app.datasets, app.generations, app.erasures, app.objects)

    first, second = (compaction.compact(dataset, utc_now()) for _ in range(2))

    assert (first, second) == (True, False)
    assert len(app.generations.all(world.tenant, "support")) == 1


def test_another_subject_s_line_of_an_example_outlives_merge_and_erasure(world: World, later: Later) -> None:
    filled(world)
    line = chat("Where is my order?", "late")
    collect(world, [{**line, "subject": "alice", "created_at": "2026-11-20T00:00:00Z"}], name="a.jsonl")
    collect(world, [{**line, "subject": "bob", "created_at": "2026-11-19T00:00:00Z"}], name="b.jsonl")

    world.schedule("erase-examples")
    erase_subject(world, "alice")
    sweep_erasures(world, later)

    assert len(app.generations.all(world.tenant, "support")) == 1
    assert example_id(line) in example_ids(world)
    assert b"alice" not in stored_bytes(world)


def test_a_purge_of_merged_segments_that_died_is_ended_by_the_next_sweep(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    later(DAYS_8)
    with (
        pytest.raises(Killed),
        crash_at_write(3, monkeypatch),
    ):  # the generation stands alone, and one row of five is gone
        world.schedule("erase-examples")
    assert len(app.datasets.segment_rows(world.tenant, "support")) == 4

    world.schedule("erase-examples")

    assert app.datasets.segment_rows(world.tenant, "support") == []
    assert len(list(app.objects.all_versions("datasets/"))) == 1
    assert example_ids(world) == {example_id(line) for line in lines}
