"""What may go wrong between a drop and its run: order, overwriting, rivals, and readers that die."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from collect_examples.missed_drops import GiveUpDrops
from tests.examples import chat
from tests.functions import steps
from tests.world import BUCKET, World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.exports.exports import Export


def frozen(world: World, dataset: str = "support") -> Export:
    world.schedule("collect-examples")
    world.settle()
    return app.exports.page(world.tenant, dataset, 1, None).data[0]


@pytest.mark.parametrize("order", [("test", "train"), ("train", "test")])
def test_a_line_of_the_test_file_never_trains_whichever_file_came_first(world: World, order: tuple[str, str]) -> None:
    shared, only_train = chat("Where is my order?", "late"), steps.questions(12)
    files = {"test": [shared], "train": [shared, *only_train]}

    for folder in order:
        world.drop("support", files[folder], name=f"{folder}/lines.jsonl")
    export = frozen(world)

    assert {split: file.examples for split, file in export.files.items()} == {
        Split.TRAIN: 12,
        Split.VALIDATION: 0,
        Split.TEST: 1,
    }


def test_a_file_that_is_overwritten_before_it_is_read_loses_nothing(world: World) -> None:
    key = f"incoming/{world.tenant}/support/daily.jsonl"
    contents = [b"\n".join(line.encode() for line in lines) for lines in (_lines("first"), _lines("second"))]
    puts = [world.s3.put_object(Bucket=BUCKET, Key=key, Body=content) for content in contents]

    for put in puts:
        world.s3_event(key, put["ETag"].strip('"'), put["VersionId"])

    assert app.datasets.get(world.tenant, "support").examples == 6


def _lines(word: str) -> list[str]:
    return [json.dumps(chat(f"{word} question {number}", "yes")) for number in range(3)]


def test_freezing_by_hand_does_not_swallow_the_run_of_a_drop(world: World) -> None:
    world.drop("support", steps.questions(40))
    world.call("POST /v1/datasets/{dataset}/exports", "/v1/datasets/support/exports")
    app.datasets.save(app.datasets.get(world.tenant, "support").model_copy(update={"exported_revision": 1}))

    world.schedule("collect-examples")
    world.settle()

    assert len(steps.runs(world)) == 1


def test_a_run_that_waits_for_its_user_does_not_hold_up_later_drops(world: World) -> None:
    unpriced = {"id": "support", "base_model": "unheard-of", "on_drop": "train"}
    world.call("POST /v1/datasets", "/v1/datasets", unpriced)
    steps.settled(world, steps.questions(40))
    waiting = app.runs.get(world.tenant, steps.runs(world)[0]["id"])
    changes: dict[str, Any] = {"status": "awaiting_confirmation", "waiting_for": "A confirmation."}
    app.runs.save(type(waiting).model_validate(waiting.model_dump() | changes))

    steps.settled(world, steps.questions(50))

    dataset = app.datasets.get(world.tenant, "support")
    assert dataset.settled_revision == dataset.revision == 2


def test_a_drop_whose_reader_died_is_given_up_and_says_so(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    begun = utc_now() - timedelta(minutes=31)
    app.datasets.save_drop(Drop(id="d1", tenant=world.tenant, dataset="support", object="x", created_at=begun))

    world.schedule("collect-examples")

    [drop] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    assert (drop["status"], drop["problems"][0]["code"]) == ("failed", "unreadable")


def test_a_drop_whose_reader_was_given_up_halfway_shows_what_it_added(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = app.objects.dropped_lines

    def slowly(key: str, version: str | None = None) -> Iterator[bytes | None]:
        yield from read(key, version)
        assert GiveUpDrops(app.datasets, app.examples_queue).give_up(utc_now() + timedelta(minutes=31)) == 1

    monkeypatch.setattr(app.objects, "dropped_lines", slowly)
    world.drop("support", steps.questions(12))

    [drop] = app.datasets.drops("acme", "support", 10, None).data
    assert (drop.status, drop.examples, drop.problem_count, drop.problems) == ("collected", 12, 0, [])
    assert app.datasets.get("acme", "support").examples == 12
