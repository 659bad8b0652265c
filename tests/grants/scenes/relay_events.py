"""relay-events: what waits in the outbox comes to the bus, and waits no more."""

from typing import Any

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.store import keys
from tuneloop.store.rows import to_item

RELAY = "relay-events"


def waiting(stage: Stage) -> list[dict[str, Any]]:
    """The events in the outbox, as the table's stream tells of them."""
    names = [(row.pk, row.sk) for row in stage.outbox.unrelayed(utc_now())]
    rows = [stage.dynamodb.get_item(TableName=stage.table.name, Key=to_item({"pk": pk, "sk": sk})) for pk, sk in names]
    return [{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": r["Item"]}} for r in rows]


def came_to_the_bus(stage: Stage) -> None:
    assert stage.heard()["detail"]["tenant"] == stage.tenant
    assert list(stage.outbox.unrelayed(utc_now())) == [], f"still in {keys.UNRELAYED}: to be sent again"


@scene(RELAY, "stream")
def an_event_is_relayed(stage: Stage) -> None:
    state.wanted(stage)
    stage.datasets.save(
        stage.datasets.get(stage.tenant, "support"), event=state.settled(stage), now=state.long_ago()
    )

    stage.invoke(RELAY, {"Records": waiting(stage)})

    came_to_the_bus(stage)


@scene(RELAY, "every-5-minutes")
def an_event_that_the_stream_missed_is_relayed(stage: Stage) -> None:
    stage.datasets.save(state.dataset(stage), event=state.settled(stage), now=state.long_ago())

    stage.wake("relay_events.every-5-minutes")

    came_to_the_bus(stage)
