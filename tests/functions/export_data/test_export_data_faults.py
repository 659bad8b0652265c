"""Exports that can't be made: a damaged segment is named, and whoever waits is told."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import zstandard

from export_data.freeze import FreezeDataset
from export_data.write_export import WriteExport
from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.exports import freeze_export, list_exports, read_export, request_export, split_lines, user_question
from tests.world import BUCKET, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.runtime.entry_point import FunctionFailed

PREFIX = "datasets/acme/support/segments/"
Damage = Callable[[bytes], bytes]


def packed(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def content_of(segment: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(BytesIO(segment)).read()


def lines_in(segment: bytes) -> list[bytes]:
    return content_of(segment).splitlines(keepends=True)


def written_anew(segment: bytes) -> bytes:
    return packed(content_of(segment).replace(b'"user"', b'"User"'))


DAMAGES: dict[str, Damage] = {
    "no zstandard at all": lambda segment: b"not what it was" + segment,
    "cut off": lambda segment: segment[: len(segment) // 2],
    "a line less": lambda segment: packed(b"".join(lines_in(segment)[:-1])),
    "half a line less": lambda segment: packed(content_of(segment)[:-40]),
    "not sorted": lambda segment: packed(b"".join(reversed(lines_in(segment)))),
    "other words": written_anew,
    "other JSON": lambda segment: packed(content_of(segment).replace(b'"unit"', b'"tinu"', 1)),
    "no JSON": lambda segment: packed(content_of(segment).replace(b',"content":', b',"tnetnoc"', 1)),
    "nothing": lambda _: packed(b""),
}


def damaged(world: World, damage: Damage) -> tuple[str, bytes]:
    """The key of one of the dataset's segments, which is damaged now, and what it was."""
    key = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)["Contents"][0]["Key"]
    before = world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=damage(before))
    return key, before


def failing(world: World) -> str:
    """Ask for an export that can't be made; gives its id."""
    asked: str = request_export(world).body["id"]
    with pytest.raises(FunctionFailed):
        world.settle()
    return asked


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_segment_is_named_and_nothing_is_made_without_it(world: World, damage: Damage) -> None:
    collect(world, steps.questions(30))
    collect(world, [chat(f"Is shop {n} open?", "yes") for n in range(30)], name="more.jsonl")
    key, _ = damaged(world, damage)

    found = read_export(world, failing(world))

    assert (found["status"], found["error"]["code"], found["files"]) == ("failed", "corrupt_segment", {})
    assert key in found["error"]["message"]
    assert list_exports(world) == []


def test_a_segment_that_is_gone_is_named_too(world: World) -> None:
    collect(world, steps.questions(30))
    key, _ = damaged(world, lambda segment: segment)
    world.s3.delete_object(Bucket=BUCKET, Key=key)

    assert key in read_export(world, failing(world))["error"]["message"]


def test_a_repaired_segment_is_frozen_whole_and_the_error_forgotten(world: World) -> None:
    collect(world, steps.questions(60))
    key, before = damaged(world, DAMAGES["cut off"])
    asked = failing(world)
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=before)

    again = request_export(world)
    world.settle()

    found = read_export(world, asked)
    assert (again.body["id"], again.body["status"]) == (asked, "freezing")
    assert (found["status"], found["error"]) == ("frozen", None)
    assert sum(file["examples"] for file in found["files"].values()) == 60
    assert app.datasets.get("acme", "support").export_failure is None


def test_a_run_that_waits_for_such_an_export_fails_with_its_reason(world: World) -> None:
    collect(world, steps.questions(60))
    key, before = damaged(world, DAMAGES["cut off"])
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body["id"]
    with pytest.raises(FunctionFailed):
        world.settle()

    world.schedule("launch-finetune")

    found = run_of(world, run)
    assert (found["status"], found["error"]["code"]) == ("failed", "corrupt_segment")
    assert key in found["error"]["message"]
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=before)
    second = world.call("POST /v1/training-runs/{run}/retry", f"/v1/training-runs/{run}/retry").body["id"]
    world.schedule("launch-finetune")
    assert run_of(world, second)["status"] == "requested"  # the failure came before it was asked for


def run_of(world: World, run: str) -> dict[str, Any]:
    body: dict[str, Any] = world.call("GET /v1/training-runs/{run}", f"/v1/training-runs/{run}").body
    return body


def test_a_failure_tells_nothing_of_what_the_segment_holds(world: World) -> None:
    collect(world, steps.questions(30))
    damaged(world, DAMAGES["other JSON"])

    text = str(read_export(world, failing(world))["error"])

    assert "order" not in text


def test_an_export_made_meanwhile_is_taken_into_account_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(world, steps.questions(60))
    collect(world, [chat(f"Is the shop in street {n} open?", "yes") for n in range(900)], name="more.jsonl")
    written: list[int] = []
    write = WriteExport.write
    stores = {name: getattr(app, name) for name in ("datasets", "contents", "exports", "objects", "trained")}

    def writing(self: WriteExport, dataset: Any, revision: int, *rest: Any, **others: Any) -> Any:
        """While revision 2 is written for the first time, revision 1 is frozen and takes its test."""
        export = write(self, dataset, revision, *rest, **others)
        written.append(revision)
        if written == [2]:
            FreezeDataset(**stores).freeze("acme", "support", 1, utc_now())
        return export

    monkeypatch.setattr(WriteExport, "write", writing)
    second = freeze_export(world)

    first = next(export for export in list_exports(world) if export["revision"] == 1)
    assert written == [2, 1, 2]
    tested = {user_question(line) for line in split_lines(world, first, "test")}
    assert tested
    assert tested <= {user_question(line) for line in split_lines(world, second, "test")}


def test_events_of_a_dataset_that_is_gone_wrong_leave_no_half_export(world: World) -> None:
    collect(world, steps.questions(60))
    damaged(world, DAMAGES["a line less"])
    failing(world)

    event = next(event for event in world.events if event["detail-type"] == "DatasetSettled")
    with pytest.raises(FunctionFailed):
        invoke("export-data", event)

    assert "Contents" not in world.s3.list_objects_v2(Bucket=BUCKET, Prefix="exports/")
