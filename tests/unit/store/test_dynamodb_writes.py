"""Writes: what each puts into the table, beside the entity itself."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND, a_dataset, a_run
from tests.world import TABLE
from tuneloop.app import App
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.events import DatasetSettled
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Increment, PutOnce, from_item, to_item
from tuneloop.store.keys import Key

SETTLED = DatasetSettled(tenant="acme", dataset="support", revision=3)
HERE = keys.dataset("acme", "support")


def row(app: App, key: Key) -> dict[str, Any]:
    """The raw row at a key."""
    found = app.table.client.get_item(TableName=TABLE, Key=to_item(key._asdict()))
    return from_item(found["Item"])


def test_an_entity_stands_beside_its_key_and_its_number_of_writes(app: App) -> None:
    app.table.commit(ConditionalPut(HERE, a_dataset()))

    found = row(app, HERE)

    assert (found["pk"], found["sk"], found["seq"]) == (*HERE, 1)
    assert found["base_model"] == "base-1"


def test_a_write_takes_a_row_out_of_the_indexes_that_it_does_not_name(app: App) -> None:
    key = keys.run("acme", "run-1")
    app.table.commit(ConditionalPut(key, a_run(), keys.swept(keys.OPEN_RUNS, NOW)))
    app.table.commit(ConditionalPut(key, a_run(seq=1), keys.by_time(key.pk, NOW, "run-1")))

    found = row(app, key)

    assert "sweep_pk" not in found
    assert found["list_pk"] == key.pk


def test_an_event_waits_to_be_relayed_and_goes_after_a_month(app: App) -> None:
    app.table.commit(EmitEvent(SETTLED, 4, NOW))

    found = row(app, keys.event("acme", "dataset.support", 4))

    assert found["event_type"] == "DatasetSettled"
    assert json.loads(found["detail"]) == {
        "tenant": "acme",
        "schema_version": 1,
        "type": "DatasetSettled",
        "dataset": "support",
        "revision": 3,
    }
    assert (found["sweep_pk"], found["sweep_sk"]) == (keys.UNRELAYED, NOW.isoformat())
    assert datetime.fromtimestamp(found["expires_at"], UTC) == NOW + timedelta(days=30)


def test_no_write_is_announced_twice(app: App) -> None:
    app.table.commit(EmitEvent(SETTLED, 4, NOW))

    with pytest.raises(Stale):
        app.table.commit(EmitEvent(SETTLED, 4, NOW + SECOND))


def test_an_event_is_written_only_with_the_state_that_it_announces(app: App) -> None:
    with pytest.raises(Stale):
        app.table.commit(ConditionalPut(HERE, a_dataset(seq=5)), EmitEvent(SETTLED, 6, NOW))

    assert list(app.outbox.backlog(NOW + SECOND)) == []


def test_a_mark_is_left_once_and_goes_when_its_time_is_over(app: App) -> None:
    mark = PutOnce(keys.usage_batch("acme", "batch-1"), NOW, timedelta(days=14))
    app.table.commit(mark)

    with pytest.raises(Stale):
        app.table.commit(mark)

    assert row(app, mark.key)["expires_at"] == (NOW + timedelta(days=14)).timestamp()


def test_amounts_are_added_to_what_is_there_to_the_last_digit(app: App) -> None:
    key = keys.usage("acme", "support", "2026-07-01", 1, 0)
    for usd in ("0.1", "0.2", "0.000000015", "-0.1"):  # moto can't read 1E-8, DynamoDB can
        app.table.commit(Increment(key, {"calls": 1, "cost_usd": Decimal(usd)}))

    found = row(app, key)

    assert (found["calls"], found["cost_usd"]) == (4, Decimal("0.200000015"))
