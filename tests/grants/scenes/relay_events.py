"""relay-events: what waits in the outbox comes to the bus, and waits no more."""

from typing import Any

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.store.dynamodb import to_item

RELAY = "relay-events"


def waiting(stage: Stage) -> list[dict[str, Any]]:
    """The events in the outbox, as the table's stream tells of them."""
    names = [(row.pk, row.sk) for row in stage.outbox.backlog(utc_now())]
    rows = [stage.dynamodb.get_item(TableName=stage.table.name, Key=to_item({"pk": pk, "sk": sk})) for pk, sk in names]
    return [{"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": found["Item"]}} for found in rows]


def came_to_the_bus(stage: Stage) -> None:
    assert stage.message("Heard")["detail"]["tenant"] == stage.tenant
    assert list(stage.outbox.backlog(utc_now())) == [], "it would be sent again and again"


@scene(RELAY, "stream")
def an_event_is_relayed(stage: Stage) -> None:
    state.announced(stage)

    stage.invoke(RELAY, {"Records": waiting(stage)})

    came_to_the_bus(stage)


@scene(RELAY, "every-5-minutes")
def an_event_that_the_stream_missed_is_relayed(stage: Stage) -> None:
    state.announced(stage)

    stage.wake("relay_events.every-5-minutes")

    came_to_the_bus(stage)
