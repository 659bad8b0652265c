"""Relaying: events go from the outbox to the bus; only those that the bus accepted leave the sweep."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from tuneloop.observability import count, log_failure
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.outbox import ENTRIES_PER_CALL, Bus, Outbox, OutboxRow

RESEND_AFTER = timedelta(minutes=2)


def relay(rows: list[OutboxRow], *, outbox: Outbox, bus: Bus) -> int:
    """Send events; tells how many the bus accepted. The others stay in the sweep."""
    accepted = bus.put(rows)
    for row in accepted:
        try:
            outbox.relayed(row)
        except ClientError as error:  # it will be sent again, which consumers are made for
            log_failure(error)
    return len(accepted)


def rows_of(records: Iterable[dict[str, Any]]) -> list[OutboxRow]:
    """The events among a stream's records; one that can't be read is logged and left to the sweep."""
    rows = []
    for record in records:
        try:
            rows.append(OutboxRow.from_stream(record["dynamodb"]["NewImage"]))
        except (KeyError, ValidationError) as error:
            log_failure(error)
    return rows


def resend(*, outbox: Outbox, bus: Bus, now: datetime) -> None:
    """Send events that have waited for more than two minutes; counts those that the bus accepted (`EventsResent`)."""

    def send(rows: list[OutboxRow]) -> None:
        count("EventsResent", relay(rows, outbox=outbox, bus=bus))

    for_each(_batches(outbox.unrelayed(now - RESEND_AFTER)), send)


def _batches(rows: Iterator[OutboxRow]) -> Iterator[list[OutboxRow]]:
    while batch := list(islice(rows, ENTRIES_PER_CALL)):
        yield batch
