"""The outbox: what is announced waits until the bus has it, and is swept when the stream lost it."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.unit.factories import NOW, SECOND
from tests.world import BUS, TABLE
from tuneloop.app import App
from tuneloop.domain.events import DatasetSettled
from tuneloop.store import keys
from tuneloop.store.dynamodb import EmitEvent, to_item
from tuneloop.store.outbox import Bus, OutboxRow


def announce(app: App, *seqs: int) -> None:
    """One event a second."""
    for seq in seqs:
        event = DatasetSettled(tenant="acme", dataset="support", revision=seq)
        app.table.commit(EmitEvent(event, seq, NOW + seq * SECOND))


def waiting(app: App, after: timedelta = timedelta(days=1)) -> list[str]:
    return [row.sk for row in app.outbox.backlog(NOW + after)]


def test_events_wait_oldest_first(app: App) -> None:
    announce(app, 3, 1, 2)

    assert waiting(app) == ["00000001", "00000002", "00000003"]


def test_only_what_has_waited_long_enough_is_swept(app: App) -> None:
    announce(app, 1, 2, 3)

    assert waiting(app, after=2 * SECOND) == ["00000001"]
    assert waiting(app, after=1 * SECOND) == []


def test_what_was_relayed_waits_no_more_and_its_row_stays(app: App) -> None:
    announce(app, 1, 2)
    first, _ = app.outbox.backlog(NOW + timedelta(days=1))

    app.outbox.mark_relayed(first)
    app.outbox.mark_relayed(first)

    assert waiting(app) == ["00000002"]
    assert app.table.holds(keys.Key(first.pk, first.sk))


def test_what_is_gone_is_not_made_again_by_relaying_it(app: App) -> None:
    row = OutboxRow(pk="T#acme#EVENTS#x", sk="1", event_type="x", detail="{}", sweep_sk=NOW)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        app.outbox.mark_relayed(row)

    assert not app.table.holds(keys.Key(row.pk, row.sk))


def test_the_stream_s_image_of_an_event_is_the_event(app: App) -> None:
    announce(app, 1)
    key = to_item(keys.event("acme", "dataset.support", 1)._asdict())
    image = app.table.client.get_item(TableName=TABLE, Key=key)["Item"]

    row = OutboxRow.from_stream(dict(image))

    assert [row] == list(app.outbox.backlog(NOW + timedelta(days=1)))
    assert json.loads(row.detail)["revision"] == 1


def test_the_bus_takes_events_in_calls_of_ten(stage: App) -> None:
    announce(stage, *range(1, 24))
    rows = list(stage.outbox.backlog(NOW + timedelta(days=1)))

    assert stage.bus.put(rows) == rows
    assert stage.bus.put([]) == []


def row(number: int) -> OutboxRow:
    return OutboxRow(pk="p", sk=str(number), event_type="DatasetSettled", detail=f'{{"n":{number}}}', sweep_sk=NOW)


def test_what_the_bus_refuses_is_not_taken_for_sent(stage: App) -> None:
    client: Any = boto3.client("events")
    rows = [row(number) for number in range(3)]
    entries = [
        {"EventBusName": BUS, "Source": "tuneloop", "DetailType": "DatasetSettled", "Detail": f'{{"n":{number}}}'}
        for number in range(3)
    ]
    answer = {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "InternalFailure"}, {"EventId": "3"}]}

    with Stubber(client) as stub:
        stub.add_response("put_events", answer, {"Entries": entries})
        accepted = Bus(client, BUS).put(rows)

    assert accepted == [rows[0], rows[2]]
    assert stage.settings.bus == BUS


def test_events_sent_before_a_failure_are_sent_again_rather_than_lost(stage: App) -> None:
    client: Any = boto3.client("events")
    answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}] * 10}

    with Stubber(client) as stub:
        stub.add_response("put_events", answer, {"Entries": ANY})
        stub.add_client_error("put_events", "ThrottlingException")
        with pytest.raises(ClientError):
            Bus(client, stage.settings.bus or "").put([row(number) for number in range(12)])
