"""relay-events when a row or a call is bad: the sweep sends all the others, and says so."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.events import DatasetSettled
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store import keys
from tuneloop.store.dynamodb import EmitEvent, to_item

SWEEP = {"schedule": "every-5-minutes"}
SAID = "the purple heron dances at noon"


def announce(*numbers: int) -> None:
    """Events that have waited for hours, the lowest number the longest."""
    for number in numbers:
        event = DatasetSettled(tenant="acme", dataset="support", revision=number)
        app.table.commit(EmitEvent(event, number, utc_now() - timedelta(hours=90 - number)))


def unreadable(world: World) -> None:
    """A row in the sweep that lacks what makes it an event, older than all others."""
    swept = keys.swept(keys.UNRELAYED, utc_now() - timedelta(days=9))
    row = {"pk": "T#acme#EVENTS#strange", "sk": "00000001", "detail": SAID, **swept}
    world.dynamodb.put_item(TableName=app.table.name, Item=to_item(row))


def waiting() -> list[int]:
    return [int(row.sk) for row in app.outbox.backlog(utc_now())]


def test_a_row_that_cannot_be_read_holds_up_no_other(world: World, log: StringIO) -> None:
    unreadable(world)
    announce(1, 2)

    invoke("relay-events", SWEEP)

    assert waiting() == []
    assert '"error":"ValidationError"' in log.getvalue()
    assert SAID not in log.getvalue()


def test_a_call_that_the_bus_rejects_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    assert world.delivered == []
    announce(*range(1, 26))
    put = app.bus._client.put_events

    def rejecting(**call: Any) -> Any:
        if any('"revision":13' in entry["Detail"] for entry in call["Entries"]):
            raise ClientError({"Error": {"Code": "ValidationException", "Message": SAID}}, "PutEvents")
        return put(**call)

    with monkeypatch.context() as patch:
        patch.setattr(app.bus._client, "put_events", rejecting)
        with pytest.raises(FunctionFailed, match="SweepIncomplete"):
            invoke("relay-events", SWEEP)
    assert waiting() == list(range(11, 21))
    assert SAID not in log.getvalue()

    invoke("relay-events", SWEEP)

    assert waiting() == []
