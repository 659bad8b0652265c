"""What a version has seen is drawn for no later test, so that the gate has nothing to take out of it."""

import json
from io import StringIO
from typing import Any

import pytest

from evaluate.overlap import OverlappingRows, OverlapSearch
from tests.examples import chat
from tests.functions import steps
from tests.functions.exports import (
    freeze_export,
    held_out_questions,
    list_exports,
    read_export,
    split_lines,
    user_question,
)
from tests.unit.factories import NOW, a_run, a_version
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Model
from tuneloop.domain.training.trained_exports import SEEN_SPLITS, SeenExport
from tuneloop.store import keys
from tuneloop.store.dynamodb import to_item
from tuneloop.store.objects.export_columns import fingerprints_key

SALT = "s0"  # by it some of 45 questions validate, and of 110 enough are drawn for a test


def other_questions(number: int) -> list[dict[str, Any]]:
    """Questions that share nothing with those of `steps.questions`."""
    return [chat(f"When does shop {n} open?", ("at 8", "at 9")[n % 2]) for n in range(number)]


def with_salt(world: World, dataset: str = "support") -> None:
    """Let a dataset be divided in one way at every run of the test, before anything is frozen."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset})
    app.datasets.save(app.datasets.get(world.tenant, dataset).model_copy(update={"salt": SALT}))


def removed(world: World, export: Export) -> OverlappingRows:
    """What the gate takes out of an export's test for version 1."""
    search = OverlapSearch(app.models, app.runs, app.exports, app.fingerprint_backfill, app.objects)
    version = app.models.version(world.tenant, "support", 1)
    return search.find(export, version, [version], lambda: None)


def test_the_gate_removes_nothing_from_the_test_after_a_first_version(live: World) -> None:
    with_salt(live)
    steps.settled(live, steps.questions(45))
    [run] = steps.runs(live)
    steps.followed(live, run["id"])
    live.settle()
    [first] = list_exports(live)
    validated = {user_question(line) for line in split_lines(live, first, "validation")}

    live.drop("support", other_questions(65), name="b.jsonl")
    second = freeze_export(live)

    found = removed(live, app.exports.get(live.tenant, "support", second["id"]))
    assert (len(validated) > 1, first["files"]["test"]["examples"]) == (True, 0)
    assert second["files"]["test"]["examples"] >= 20
    assert not validated & held_out_questions(live, second)
    assert (list(found.rows), found.kinds) == ([], {})


def test_test_rows_stay_test_rows_though_a_version_has_seen_the_rest(live: World) -> None:
    with_salt(live)
    steps.settled(live, steps.questions(150))
    [run] = steps.runs(live)
    steps.followed(live, run["id"])
    live.settle()
    tested = held_out_questions(live, list_exports(live)[0])

    live.drop("support", other_questions(50), name="b.jsonl")
    second = freeze_export(live)

    assert tested
    assert held_out_questions(live, second) >= tested
    assert not removed(live, app.exports.get(live.tenant, "support", second["id"])).kinds


def test_a_validation_dataset_is_marked_as_seen_by_its_train_split_alone(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "checks"})
    dataset = app.datasets.get(world.tenant, "checks")
    model = Model(tenant=world.tenant, id="support", provider="own", base_model="base-1", created_at=NOW)
    fields = {"validation_dataset": "checks", "validation_export": "export-2"}
    run = app.runs.save(a_run(tenant=world.tenant, **fields))

    app.runs.finish(run, TrainingRunFinished.of(run), NOW, (model, a_version(tenant=world.tenant), None))
    validated = app.trained.exports(dataset)
    old_mark = keys.trained_export(world.tenant, "checks", "export-2")._asdict() | {"id": "export-2"}
    app.table.client.put_item(TableName=app.table.name, Item=to_item(old_mark))

    assert validated == [SeenExport("checks", "export-2", (Split.TRAIN,))]
    assert app.trained.exports(dataset) == [SeenExport("checks", "export-2", SEEN_SPLITS)]


def train_first_version(world: World) -> Export:
    """The export of 45 questions that version 1 was trained on; it tests none of them."""
    with_salt(world)
    steps.settled(world, steps.questions(45))
    steps.followed(world, steps.runs(world)[0]["id"])
    world.settle()
    return app.exports.get(world.tenant, "support", list_exports(world)[0]["id"])


def move_objects(world: World, export: Export) -> None:
    """What an erasure does last: the export's row names another folder, and the objects of the former one are gone."""
    moved = export.model_copy(update={"erased": 1, "without": export.without + 1})
    for name in ("members.bin", "fingerprints.bin"):
        former = f"{export.folder}/{name}"
        world.s3.copy({"Bucket": BUCKET, "Key": former}, BUCKET, f"{moved.folder}/{name}")
        world.s3.delete_object(Bucket=BUCKET, Key=former)
    app.exports.rewrite(moved)


@pytest.mark.parametrize("read", ["exists", "download"], ids=["before the backfill", "before the rows"])
def test_rows_that_an_erasure_moves_right_now_stay_seen(
    read: str, live: World, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    first = train_first_version(live)
    seen = {
        user_question(line) for split in SEEN_SPLITS for line in split_lines(live, read_export(live, first.id), split)
    }
    live.drop("support", other_questions(65), name="b.jsonl")
    real, moves = getattr(app.objects, read), [first]

    def move_before(key: str, *args: Any) -> Any:
        if key == fingerprints_key(first.folder) and moves:
            move_objects(live, moves.pop())
        return real(key, *args)

    monkeypatch.setattr(app.objects, read, move_before)

    second = freeze_export(live)

    assert not moves
    assert held_out_questions(live, second)
    assert not held_out_questions(live, second) & seen
    assert "is gone" not in log.getvalue()


@pytest.mark.parametrize("gone", ["row", "objects"])
def test_an_export_that_is_really_gone_is_skipped_and_logged(gone: str, live: World, log: StringIO) -> None:
    first = train_first_version(live)
    if gone == "row":
        key = keys.export(live.tenant, "support", first.id)
        app.table.client.delete_item(TableName=app.table.name, Key=to_item(key._asdict()))
    else:
        for entry in live.s3.list_objects_v2(Bucket=BUCKET, Prefix=first.prefix)["Contents"]:
            live.s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    dataset = app.datasets.get(live.tenant, "support")

    exports, rows = app.trained.seen_rows(dataset)

    assert ([seen.export for seen in exports], list(rows)) == ([first.id], [])
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if "is gone" in line]
    assert (line["level"], line["export"]) == ("WARNING", first.id)
    assert live.tenant not in str(line)
