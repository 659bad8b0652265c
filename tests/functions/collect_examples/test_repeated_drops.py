"""Repeated drops: whatever comes twice, a file, its event or both, is collected once and trained on once."""

from tests.examples import chat
from tests.functions import steps
from tests.world import BUCKET, World
from tuneloop.app import app


def test_the_same_file_twice_adds_nothing(world: World) -> None:
    lines = steps.questions(12)

    world.drop("support", lines)
    world.drop("support", lines, name="again.jsonl")

    assert app.datasets.get("acme", "support").examples == 12
    assert [drop["status"] for drop in steps.drops(world)] == ["collected", "collected"]


def test_an_event_delivered_twice_is_one_drop(world: World) -> None:
    key = world.drop("support", steps.questions(12))
    etag = world.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')

    world.s3_event(key, etag)

    assert [drop["examples"] for drop in steps.drops(world)] == [12]


def test_the_same_file_and_the_same_event_make_one_segment_and_one_run(live: World) -> None:
    lines = [*steps.questions(39), chat("And this one?", "late")]
    key = live.drop("support", lines)
    etag = live.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
    live.s3_event(key, etag)
    live.drop("support", lines, name="again.jsonl")

    live.schedule("collect-examples")
    live.settle()
    live.schedule("collect-examples")
    live.settle()

    assert len(steps.runs(live)) == 1
    assert app.datasets.get(live.tenant, "support").segments == 1
