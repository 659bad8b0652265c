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
from tests.functions.erase_examples.test_erase_examples import (
    collecting,
    erased_example,
    erased_subject,
    everything,
    exported,
    held,
    id_of,
    reviewed,
    rows_of,
    swept,
)
from tests.functions.erase_examples.test_erase_examples_faults import dying
from tests.functions.providers import Killed
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
        collecting(world, lines[drop * 10 : drop * 10 + 12], name=f"{drop}.jsonl")
    return lines


def segments(world: World, revision: int | None = None) -> list[str]:
    found = app.datasets.get(world.tenant, "support")
    return [each.sha256 for each in app.datasets.segments(world.tenant, "support", revision or found.revision)]


def test_many_segments_become_one_and_neither_contents_nor_revision_change(world: World) -> None:
    lines = filled(world)
    before = app.datasets.get(world.tenant, "support")

    world.schedule("erase-examples")

    assert len(segments(world)) == 1
    assert held(world) == {id_of(line) for line in lines}
    assert app.datasets.get(world.tenant, "support").revision == before.revision


def test_an_export_is_the_same_before_and_after(world: World) -> None:
    filled(world)
    reviewed(world, id_of(chat("Where is the 1th parcel of 7919?", "lost")), status=Status.REJECTED)
    before = exported(world)
    rows = {split: rows_of(world, before, split) for split in before["files"]}
    for row in (keys.export("acme", "support", before["id"]), keys.event("acme", f"export.{before['id']}", 1)):
        world.dynamodb.delete_item(TableName=app.table.name, Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}})

    world.schedule("erase-examples")
    after = exported(world)

    assert len(segments(world)) == 1
    assert after["id"] == before["id"]
    assert {split: file["sha256"] for split, file in after["files"].items()} == {
        split: file["sha256"] for split, file in before["files"].items()
    }
    assert {split: rows_of(world, after, split) for split in after["files"]} == rows


def test_an_earlier_revision_can_be_read_for_a_week_and_then_says_that_it_is_gone(world: World, later: Later) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    with app.contents.examples(world.tenant, "support", 1) as examples:
        assert {each.stored.id for each in examples} == {id_of(line) for line in lines[:12]}

    later(DAYS_8)
    world.schedule("erase-examples")

    with pytest.raises(Conflict, match="the earliest that can be read is 5"):
        app.datasets.segments(world.tenant, "support", 1)
    assert len(list(app.objects.all_versions("datasets/"))) == 1
    assert held(world) == {id_of(line) for line in lines}
    assert timedelta(seconds=DAYS_8) > MERGED_KEPT


def test_a_file_that_was_merged_long_ago_still_adds_nothing_when_it_is_dropped_again(
    world: World, later: Later
) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    later(DAYS_8)
    world.schedule("erase-examples")

    collecting(world, lines[:12], name="again.jsonl")

    assert app.datasets.get(world.tenant, "support").revision == 5
    assert held(world) == {id_of(line) for line in lines}


def test_what_was_merged_is_kept_for_as_long_as_an_erasure_has_not_been_cleared(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = filled(world)
    exported(world)
    erased_example(world, id_of(lines[3]))

    def fails(*_: Any) -> None:
        raise Stale("somebody else is at it")

    monkeypatch.setattr(RewriteDataset, "_rewrite_exports", fails)
    for _ in range(2):
        with pytest.raises(FunctionFailed):
            world.schedule("erase-examples")
        later(DAYS_8)
    monkeypatch.undo()
    monkeypatch.setattr(compacting, "SEGMENTS_UNMERGED", 3)
    swept(world, later)

    assert json.dumps(lines[3]["messages"][0]["content"]).encode() not in everything(world)


def test_what_comes_while_it_is_merged_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = filled(world)
    more = chat("Hello", "hi")
    add = app.generations.add

    def interrupted(*place: Any, **told: Any) -> bool:
        collecting(world, [more], name="more.jsonl")
        return add(*place, **told)

    monkeypatch.setattr(app.generations, "add", interrupted)
    world.schedule("erase-examples")

    assert len(segments(world)) == 2
    assert held(world) == {id_of(line) for line in [*lines, more]}


def test_a_merge_that_began_before_an_erasure_comes_to_nothing(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    hers = chat("Where is my order?", "late", subject="alice")
    collecting(world, [hers], name="hers.jsonl")
    add = app.generations.add

    def interrupted(*place: Any, **told: Any) -> bool:
        monkeypatch.undo()
        erased_subject(world, "alice")
        swept(world, later)
        return add(*place, **told)

    with monkeypatch.context() as patch:
        patch.setattr(compacting, "SEGMENTS_UNMERGED", 3)
        patch.setattr(app.generations, "add", interrupted)
        world.schedule("erase-examples")

    assert id_of(hers) not in held(world)
    assert app.datasets.get(world.tenant, "support").generation == 0
    assert b"alice" not in everything(world)


def test_two_merges_at_once_make_one_generation(world: World) -> None:
    filled(world)
    dataset = app.datasets.get(world.tenant, "support")
    compaction = CompactDataset(app.datasets, app.generations, app.erasures, app.objects)

    first, second = (compaction.compact(dataset, utc_now()) for _ in range(2))

    assert (first, second) == (True, False)
    assert len(app.generations.all(world.tenant, "support")) == 1


def test_another_subject_s_line_of_the_same_example_outlives_merging_and_erasing(world: World, later: Later) -> None:
    filled(world)
    line = chat("Where is my order?", "late")
    collecting(world, [{**line, "subject": "alice", "created_at": "2026-11-20T00:00:00Z"}], name="a.jsonl")
    collecting(world, [{**line, "subject": "bob", "created_at": "2026-11-19T00:00:00Z"}], name="b.jsonl")

    world.schedule("erase-examples")
    erased_subject(world, "alice")
    swept(world, later)

    assert len(app.generations.all(world.tenant, "support")) == 1
    assert id_of(line) in held(world)
    assert b"alice" not in everything(world)


def test_forgetting_what_was_merged_is_finished_by_the_next_sweep_where_one_died(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = filled(world)
    world.schedule("erase-examples")
    later(DAYS_8)
    with pytest.raises(Killed), dying(3, monkeypatch):  # the generation stands alone, and one row of five is gone
        world.schedule("erase-examples")
    assert len(app.datasets.segment_rows(world.tenant, "support")) == 4

    world.schedule("erase-examples")

    assert app.datasets.segment_rows(world.tenant, "support") == []
    assert len(list(app.objects.all_versions("datasets/"))) == 1
    assert held(world) == {id_of(line) for line in lines}
