"""A table that is set back: the loop goes on from there with new data, and what was revoked stays revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from infra.stage import stage_named
from ops import pause, restore
from ops.console import CommandRefused
from ops.stage_access import DeployedStage
from tests.examples import chat
from tests.functions import steps
from tests.world import TABLE, World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope, key_hash
from tuneloop.domain.events import DatasetSettled
from tuneloop.store.dynamodb import EmitEvent
from tuneloop.store.keys import UNRELAYED

COPY = f"{TABLE}-restored"


class Here(DeployedStage):
    """The stage of the world: its table is moto's, and it has nothing that could be running but for `functions`."""

    def __init__(self) -> None:
        super().__init__(stage_named("test", {}))
        self.stack = {"StackStatus": "CREATE_COMPLETE", "Outputs": [{"OutputKey": "TableName", "OutputValue": TABLE}]}

    def resources(self, kind: str) -> list[str]:  # noqa: ARG002
        return []


def rows(table: str = TABLE) -> dict[tuple[str, str], dict[str, Any]]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return {(row["pk"]["S"], row["sk"]["S"]): row for page in pages for row in page["Items"]}


def snapshot() -> None:
    """Keep all rows as they are now, as point-in-time recovery would give them back later."""
    client: Any = boto3.client("dynamodb")
    client.create_table(
        TableName=COPY,
        KeySchema=client.describe_table(TableName=TABLE)["Table"]["KeySchema"],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for row in rows().values():
        client.put_item(TableName=COPY, Item=row)


def stopped(minutes_ago: float = 60) -> Here:
    here = Here()
    since = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    text = pause.StageParts(since=since).model_dump_json()
    boto3.client("ssm").put_parameter(Name=pause.halted_parameter(here), Value=text, Type="String", Overwrite=True)
    return here


def set_back() -> None:
    restore.restore_table(stopped(), COPY, confirm="test")


def others(number: int) -> list[dict[str, Any]]:
    """Other questions, with other answers, than `steps.questions`."""
    return [chat(f"Is there a bill for order {n}?", ("paid", "open")[n % 2]) for n in range(number)]


def trained(world: World) -> dict[str, Any]:
    """The newest run, followed to its end, and everything that follows from it."""
    run = steps.followed(world, steps.runs(world)[0]["id"])
    assert run["status"] == "succeeded", run
    world.settle()
    return run


def test_new_data_is_frozen_and_trained_under_numbers_never_used_before(live: World) -> None:
    steps.settled(live, steps.questions(30))
    trained(live)
    snapshot()
    live.drop("support", others(30), "second.jsonl")
    live.schedule("collect-examples")
    live.settle()
    forgotten = trained(live)

    set_back()
    live.drop("support", [chat(f"May I return order {n}?", ("yes", "no")[n % 2]) for n in range(40)], "third.jsonl")
    live.schedule("collect-examples")
    live.settle()

    run = trained(live)
    assert run["id"] != forgotten["id"]
    assert run["provider_job_id"] != forgotten["provider_job_id"]
    assert run["version"] > forgotten["version"]
    export = app.exports.get(live.tenant, "support", run["export"])
    assert export.examples == 30 + 40
    for file in export.files.values():
        content = b"".join(app.objects.lines(file.key))
        assert b"Is there a bill" not in content


def test_a_dataset_created_since_is_empty_and_trains_on_later_drops(live: World) -> None:
    snapshot()
    steps.settled(live, others(30))
    forgotten = trained(live)

    set_back()
    dataset = live.call("GET /v1/datasets/{dataset}", "/v1/datasets/support").body
    assert dataset["examples"] == 0
    assert not steps.runs(live)
    assert steps.deployment(live)["stable"] == 0
    live.drop("support", steps.questions(30), "anew.jsonl")
    live.schedule("collect-examples")
    live.settle()

    assert trained(live)["provider_job_id"] != forgotten["provider_job_id"]


def test_decisions_go_on_after_the_one_that_was_the_last_then(world: World) -> None:
    first, second = steps.registered(world), steps.registered(world)
    steps.decide(world, "activate", {"version": first})
    snapshot()
    steps.decide(world, "activate", {"version": second})
    steps.decide(world, "deactivate")
    third = steps.registered(world)

    set_back()

    assert steps.deployment(world)["stable"] == first
    assert steps.decide(world, "activate", {"version": second}).status == 200
    assert steps.decide(world, "rollback").status == 200
    assert steps.deployment(world)["stable"] == first
    assert [line["action"] for line in steps.history(world)] == ["rollback", "activate", "activate"]
    assert steps.registered(world) == third + 1


def test_a_revoked_key_stays_revoked_and_one_created_since_works(world: World) -> None:
    leaked = world.new_key(*Scope)
    snapshot()
    key = app.tenants.key(key_hash(leaked))
    assert key
    app.tenants.revoke_key(world.tenant, key.id, utc_now())
    made = world.new_key(*Scope)

    set_back()

    app.__dict__.clear()  # or the functions remember a key for half a minute
    for secret, status in ((leaked, 401), (made, 200), (world.key, 200)):
        assert world.call("GET /v1/datasets", "/v1/datasets", key=secret).status == status
    assert {stored.id for stored in app.tenants.keys_of(world.tenant) if stored.revoked_at} == {key.id}


def test_events_sent_before_are_not_sent_again_and_waiting_ones_are(world: World) -> None:
    steps.settled(world, steps.questions(12))
    waiting = DatasetSettled(tenant=world.tenant, dataset="waiting", revision=1)
    app.table.commit(EmitEvent(waiting, 1, utc_now()))
    snapshot()
    events = [at for at, row in rows().items() if "event_type" in row]
    for pk, sk in events:  # as if their time had run out
        boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": {"S": pk}, "sk": {"S": sk}})

    set_back()

    left = [row for row in rows().values() if "event_type" in row]
    assert len(events) > 1
    assert [(row["sweep_pk"]["S"], row["event_type"]["S"]) for row in left] == [(UNRELAYED, "DatasetSettled")]


def test_it_can_be_broken_off_and_a_second_time_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.settled(world, steps.questions(30))
    snapshot()
    world.drop("support", others(30), "second.jsonl")
    steps.settled(world, others(12), "other")
    client: Any = boto3.client("dynamodb")
    monkeypatch.setattr(restore, "WRITE_BATCH", 2)
    todo = list(restore.row_changes(client, COPY, TABLE))
    restore.write_changes(client, TABLE, todo[:3])

    set_back()
    after = rows()
    set_back()

    assert len(todo) > 6
    assert rows() == after
    assert "there is nothing to do" in capsys.readouterr().out
    assert app.datasets.get(world.tenant, "support").examples == 30
    assert app.datasets.get(world.tenant, "other").examples == 0


def test_rows_that_were_lost_come_back(world: World) -> None:
    steps.settled(world, steps.questions(30))
    snapshot()
    before = app.datasets.get(world.tenant, "support")
    for row in rows().values():
        boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})

    set_back()

    after = app.datasets.get(world.tenant, "support")
    assert after.revision > before.revision  # how far it had come is not known
    assert after.examples == 30
    assert not after.is_pending
    assert world.call("GET /v1/datasets", "/v1/datasets").status == 200


def test_what_will_be_put_and_deleted_is_said_and_has_to_be_agreed_to(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.registered(world)
    snapshot()
    steps.decide(world, "activate")
    before = rows()

    with pytest.raises(CommandRefused, match="Nothing was changed"):
        restore.restore_table(stopped(), COPY, confirm="prod")

    assert rows() == before
    said = capsys.readouterr().out
    assert "1 row to put, 2 rows to delete" in said
    assert "revoked stays revoked" in said


def test_a_loop_that_runs_or_was_stopped_just_now_is_refused(world: World) -> None:
    steps.registered(world)
    snapshot()

    with pytest.raises(CommandRefused, match="make stop STAGE=test"):
        restore.restore_table(Here(), COPY, confirm="test")
    with pytest.raises(CommandRefused, match="may write until"):
        restore.restore_table(stopped(minutes_ago=1), COPY, confirm="test")


@pytest.mark.parametrize(
    ("source", "why"), [("", "From which table"), (TABLE, "From which table"), ("x", "no table x")]
)
@pytest.mark.usefixtures("world")
def test_only_another_table_will_do(source: str, why: str) -> None:
    with pytest.raises(CommandRefused, match=why):
        restore.restore_table(stopped(), source, confirm="test")
