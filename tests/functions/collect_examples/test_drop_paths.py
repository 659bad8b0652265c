"""Where a drop lies: whose it is, what its file may be called, and what becomes of files that nobody is told of."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from collect_examples.missed_drops import LISTING_LEAVES_S, CollectMissedFiles
from tests.functions import steps
from tests.world import BUCKET, TABLE, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.cli.commands import cli
from tuneloop.domain.datasets.drops import Drop, drop_id
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store import keys

Later = Callable[[float], None]
CONTENT = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
MINUTES = 60
NAMES = [
    "week 47.jsonl",
    "wöchentlich, Größe.jsonl",
    "..",
    "../../../globex/support/a.jsonl",
    "🦜 (1).jsonl",
    'it\'s "quoted".jsonl',
    "50%25+#1?a=b&c.jsonl",
    "a\\b\tc.jsonl",
    "no ending",
    "x" * (1024 - len("incoming/acme/support/")),
    "ü" * 500,
]
NOBODY_S = {
    "incoming/nobody/support/a.jsonl": "unknown_tenant",
    "incoming/ACME/support/a.jsonl": "invalid_name",
    "incoming/acme/UP/a.jsonl": "invalid_name",
    "incoming/acme//a.jsonl": "invalid_name",
    "incoming/../support/a.jsonl": "invalid_name",
    "incoming/acme/a.jsonl": "invalid_path",
    "incoming/a.jsonl": "invalid_path",
    "incoming/acme/support/": "invalid_path",
    f"incoming/{'n' * 900}/support/a.jsonl": "invalid_name",
}


def put(world: World, key: str, content: bytes = CONTENT) -> dict[str, Any]:
    """Put an object of which no event is heard."""
    return dict(world.s3.put_object(Bucket=BUCKET, Key=key, Body=content))


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    return found


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_file_may_be_called_anything_and_is_shown_so(name: str, world: World) -> None:
    world.drop("support", CONTENT, name=name)

    [drop] = steps.drops(world)
    assert (drop["object"], drop["status"]) == (f"incoming/acme/support/{name}", "collected")
    assert app.datasets.get("acme", "support").examples == 1
    assert app.datasets.find("globex", "support") is None


@pytest.mark.parametrize(("key", "code"), NOBODY_S.items(), ids=range(len(NOBODY_S)))
def test_a_file_of_no_tenant_leaves_only_a_note_for_the_operator(
    key: str, code: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows()
    monkeypatch.setattr(app.objects, "dropped_lines", lambda *_: pytest.fail("nothing of it is to be read"))

    for _ in range(2):
        world.s3_event(key, "an etag")

    [note] = [row for row in rows() if row not in before]
    assert note["pk"] == {"S": keys.REFUSED_DROPS}
    assert (note["object"], note["code"]) == ({"S": key}, {"S": code})
    kept = datetime.fromtimestamp(int(note["expires_at"]["N"]), tz=utc_now().tzinfo) - utc_now()
    assert timedelta(days=29) < kept <= timedelta(days=30)


@pytest.mark.usefixtures("world")
def test_a_folder_made_in_the_console_is_no_drop() -> None:
    before = rows()
    found = {"key": "incoming/acme/cards/", "etag": "d41d8cd98f00b204e9800998ecf8427e", "size": 0}

    invoke("collect-examples", {"id": "1", "source": "aws.s3", "detail": {"object": found}})

    assert rows() == before


def test_an_operator_reads_which_files_were_nobody_s_and_why(world: World) -> None:
    for key in ("incoming/nobody/support/ä b.jsonl", "incoming/acme/\x1b[31m.jsonl"):
        world.s3_event(key, "an etag")

    shown = CliRunner().invoke(cli, ["drops", "refused"], catch_exceptions=False).stdout

    assert "unknown_tenant  incoming/nobody/support/ä b.jsonl\n    The tenant in the path does not exist." in shown
    assert "`tuneloop keys create` makes one" in shown
    assert 'invalid_path  "incoming/acme/\\u001b[31m.jsonl"' in shown


def test_a_file_dropped_again_is_collected_once_its_tenant_exists(world: World) -> None:
    key = "incoming/globex/support/a.jsonl"
    put(world, key)
    world.s3_event(key, "first")

    app.tenants.ensure("globex", utc_now())
    world.s3_event(key, "second")

    assert app.datasets.get("globex", "support").examples == 1


def test_the_sweep_takes_a_file_of_which_no_event_was_heard_once(world: World, later: Later) -> None:
    put(world, "incoming/acme/support/test/lost ü.jsonl")
    world.schedule("collect-examples")
    assert app.datasets.find("acme", "support") is None

    later(11 * MINUTES)
    for _ in range(2):
        world.schedule("collect-examples")

    [drop] = steps.drops(world)
    assert (drop["object"], drop["status"]) == ("incoming/acme/support/test/lost ü.jsonl", "collected")
    assert app.datasets.get("acme", "support").examples == 1


def test_the_sweep_takes_what_was_overwritten_before_anybody_heard_of_it(world: World, later: Later) -> None:
    for name in ("one", "two"):
        put(world, "incoming/acme/support/a.jsonl", CONTENT.replace(b'"b"', f'"{name}"'.encode()))

    later(11 * MINUTES)
    world.schedule("collect-examples")

    assert app.datasets.get("acme", "support").examples == 2


@pytest.mark.parametrize("told", ["etag", "version"])
def test_the_sweep_leaves_alone_what_an_event_told_of(told: str, world: World, later: Later) -> None:
    key = "incoming/acme/support/a.jsonl"
    made = put(world, key)
    world.s3_event(key, made["ETag"].strip('"'), made["VersionId"] if told == "version" else None)

    later(11 * MINUTES)
    world.schedule("collect-examples")

    assert len(steps.drops(world)) == 1


def test_the_sweep_leaves_alone_what_is_old_empty_deleted_or_elsewhere(world: World, later: Later) -> None:
    put(world, "incoming/acme/support/empty.jsonl", b"")
    put(world, "incoming/acme/support/deleted.jsonl")
    world.s3.delete_object(Bucket=BUCKET, Key="incoming/acme/support/deleted.jsonl")
    put(world, "exports/acme/support/a.jsonl")
    later(11 * MINUTES)
    world.schedule("collect-examples")
    put(world, "incoming/acme/support/old.jsonl")
    later(25 * 60 * MINUTES)
    world.schedule("collect-examples")

    assert app.datasets.find("acme", "support") is None


def test_the_sweep_notes_a_file_that_is_nobody_s_once(world: World, later: Later) -> None:
    put(world, "incoming/nobody/support/a.jsonl")
    put(world, "incoming/b.jsonl")
    later(11 * MINUTES)

    world.schedule("collect-examples")
    notes = app.datasets.refused_drops()
    later(12 * MINUTES)
    world.schedule("collect-examples")

    assert {note.object for note in notes} == {"incoming/nobody/support/a.jsonl", "incoming/b.jsonl"}
    assert app.datasets.refused_drops() == notes


def test_a_file_that_cannot_be_taken_costs_the_sweep_no_other(
    world: World, later: Later, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(world, f"incoming/acme/support/{name}.jsonl", CONTENT.replace(b'"b"', f'"{name}"'.encode()))
    read = app.objects._get

    def broken(key: str, version: str | None = None) -> Any:
        if key.endswith("b.jsonl"):
            raise ClientError({"Error": {"Code": "InternalError", "Message": "we are sorry"}}, "GetObject")
        return read(key, version)

    monkeypatch.setattr(app.objects, "_get", broken)
    later(11 * MINUTES)
    with pytest.raises(FunctionFailed):
        world.schedule("collect-examples")

    assert app.datasets.get("acme", "support").examples == 2
    assert '"error":"ClientError:GetObject:InternalError"' in log.getvalue()


def test_the_sweep_ends_before_its_time_does(world: World, later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        put(world, f"incoming/acme/support/{name}.jsonl", CONTENT.replace(b'"b"', f'"{name}"'.encode()))
    later(11 * MINUTES)
    left = [295.0]
    read = app.objects.dropped_lines

    def slowly(key: str, version: str | None = None) -> Any:
        left[0] -= 30
        return read(key, version)

    monkeypatch.setattr(app.objects, "dropped_lines", slowly)
    monkeypatch.setattr("tests.world.Context.get_remaining_time_in_millis", lambda _: left[0] * 1000)

    found = []
    for left[0] in (140.0, 200.0, 295.0, 305.0):
        world.schedule("collect-examples")
        found.append(app.datasets.find("acme", "support") and len(steps.drops(world)))

    assert found == [None, 1, 2, 3]


def missed_files(remaining_s: Callable[[], float]) -> CollectMissedFiles:
    """The sweep of files, as far as it lists: it collects none."""
    nobody: Any = None
    return CollectMissedFiles(app.datasets, app.objects, nobody, 600, remaining_s)


def test_the_sweep_begins_each_time_at_another_file_and_looks_at_all(world: World) -> None:
    there = [put(world, f"incoming/acme/support/{number}.jsonl") and f"{number}.jsonl" for number in range(5)]
    moments = [utc_now() + timedelta(minutes=11 + 5 * number) for number in range(60)]

    missed = missed_files(lambda: LISTING_LEAVES_S + 1)
    found = [missed.recent_files(moment) for moment in moments]
    names = [[version.key.rpartition("/")[2] for version in files] for files in found]

    assert {files[0] for files in names} == set(there)
    assert all(sorted(files) == there for files in names)


def test_more_files_than_can_be_listed_are_said_to_be_left_out(world: World, log: StringIO) -> None:
    for number in range(5):
        put(world, f"incoming/acme/support/{number}.jsonl")
    left = iter([LISTING_LEAVES_S + 1, LISTING_LEAVES_S + 1, LISTING_LEAVES_S])
    moment = utc_now() + timedelta(minutes=11)

    found = missed_files(lambda: next(left)).recent_files(moment)

    assert len(found) == 3
    assert "not looked after" in log.getvalue()


def test_a_drop_whose_reader_died_is_taken_up_where_its_event_comes_again(world: World) -> None:
    key = "incoming/acme/support/a.jsonl"
    made = put(world, key)
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    identity = drop_id(key, made["VersionId"])
    app.datasets.start_drop(Drop(id=identity, tenant="acme", dataset="support", object=key, created_at=utc_now()))

    world.s3_event(key, made["ETag"].strip('"'), made["VersionId"])

    [drop] = steps.drops(world)
    assert (drop["id"], drop["status"], drop["examples"]) == (identity, "collected", 1)


def test_too_few_examples_are_collected_and_the_run_says_how_many_it_needs(live: World) -> None:
    steps.settled(live, steps.questions(5))

    [drop] = steps.drops(live)
    [run] = steps.runs(live)
    assert (drop["status"], drop["examples"]) == ("collected", 5)
    assert run["status"] == "failed"
    assert run["error"]["message"] == "Need at least 10 examples. Current: 5."
    assert (run["provider_job_id"], run["training_cost_usd"]) == (None, None)
