"""relay-events through its real entry point: what waits in the outbox reaches the bus, at least once."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functions.event_files import read
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.events import DatasetSettled
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store.dynamodb import EmitEvent, to_item
from tuneloop.store.outbox import OutboxRow

Stream = Callable[..., dict[str, Any]]
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("world")


def announce(number: int, ago: timedelta = HOUR) -> OutboxRow:
    """An event that waits since then, as its row."""
    event = DatasetSettled(tenant="acme", dataset="support", revision=number)
    at = utc_now() - ago
    app.table.commit(EmitEvent(event, number, at))
    return next(row for row in app.outbox.backlog(utc_now()) if row.sk == f"{number:08d}")


def stream(*rows: OutboxRow | dict[str, Any]) -> dict[str, Any]:
    """What DynamoDB's stream sends about new rows."""
    [record] = read("relay_events.stream")["Records"]
    images = [to_item(row.model_dump(mode="json")) if isinstance(row, OutboxRow) else row for row in rows]
    return {"Records": [record | {"dynamodb": record["dynamodb"] | {"NewImage": image}} for image in images]}


def waiting() -> list[str]:
    return [row.sk for row in app.outbox.backlog(utc_now())]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every entry that the bus was given; those of revision 13 it refuses."""
    client = app.bus._client
    put, entries = client.put_events, list[dict[str, Any]]()

    def refusing(**call: Any) -> Any:
        entries.extend(call["Entries"])
        answer: dict[str, Any] = put(**call)  # type: ignore[assignment]
        for entry, result in zip(call["Entries"], answer["Entries"], strict=True):
            if '"revision":13' in entry["Detail"]:
                result.clear()
                result["ErrorCode"] = "InternalFailure"
        return answer

    monkeypatch.setattr(client, "put_events", refusing)
    return entries


def revisions(sent: list[dict[str, Any]]) -> list[int]:
    return [int(entry["Detail"].rpartition(":")[2].rstrip("}")) for entry in sent]


def test_a_new_event_goes_to_the_bus_and_waits_no_longer(sent: list[dict[str, Any]]) -> None:
    invoke("relay-events", stream(announce(1)))

    [entry] = sent
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        "tuneloop",
        "DatasetSettled",
        "tuneloop-test",
    )
    assert waiting() == []


def test_many_are_sent_in_calls_that_the_bus_takes(sent: list[dict[str, Any]]) -> None:
    rows = [announce(number) for number in (*range(1, 13), *range(14, 26))]

    invoke("relay-events", stream(*rows))

    assert len(sent) == 24
    assert waiting() == []


def test_what_the_bus_refused_waits_for_the_sweep_and_holds_up_nothing(sent: list[dict[str, Any]]) -> None:
    rows = [announce(number) for number in (12, 13, 14)]

    invoke("relay-events", stream(*rows))
    assert waiting() == ["00000013"]
    invoke("relay-events", {"schedule": "every-5-minutes"})

    assert revisions(sent) == [12, 13, 14, 13]


def test_a_record_that_cannot_be_read_holds_up_nothing(sent: list[dict[str, Any]], log: StringIO) -> None:
    invoke("relay-events", stream({"pk": {"S": "T#acme#EVENTS#x"}, "sk": {"S": "1"}}, announce(1)))

    assert revisions(sent) == [1]
    assert waiting() == []
    assert '"error":"ValidationError"' in log.getvalue()


def test_the_sweep_leaves_to_the_stream_what_is_younger_than_two_minutes(sent: list[dict[str, Any]]) -> None:
    announce(1, ago=timedelta(seconds=30))
    announce(2, ago=timedelta(seconds=150))

    invoke("relay-events", {"schedule": "every-5-minutes"})

    assert revisions(sent) == [2]
    assert waiting() == ["00000001"]


def test_an_event_swept_before_the_stream_is_sent_again_and_stays_sent(
    sent: list[dict[str, Any]],
) -> None:
    row = announce(1)
    invoke("relay-events", {"schedule": "every-5-minutes"})

    invoke("relay-events", stream(row))

    assert revisions(sent) == [1, 1]
    assert waiting() == []


def test_a_row_whose_time_is_over_does_not_come_back(world: World, sent: list[dict[str, Any]], log: StringIO) -> None:
    row = announce(1)
    world.dynamodb.delete_item(TableName=app.table.name, Key=to_item({"pk": row.pk, "sk": row.sk}))

    invoke("relay-events", stream(row))

    assert revisions(sent) == [1]
    assert waiting() == []
    assert '"error":"ConditionalCheckFailedException:UpdateItem"' in log.getvalue()


def test_a_bus_that_is_away_fails_loudly_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "PutEvents")

    row = announce(1)
    with monkeypatch.context() as patch:
        patch.setattr(app.bus._client, "put_events", throttled)
        with pytest.raises(FunctionFailed, match=r"^ClientError:PutEvents:ThrottlingException$"):
            invoke("relay-events", stream(row))
    assert waiting() == ["00000001"]

    invoke("relay-events", {"schedule": "every-5-minutes"})

    assert waiting() == []
