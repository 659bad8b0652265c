"""Relaying: events go from the outbox to the bus; only those that the bus accepted leave the sweep."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from tuneloop.observability import count, log_failure
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.outbox import ENTRIES_PER_CALL, Bus, Outbox, OutboxRow

# The stream tells of a row within seconds. Who waits for so long was missed by it or refused by the bus; sooner, the
# sweep would send twice what the stream is about to send.
RESEND_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class RelayEvents:
    """Sends rows of the outbox to the bus, at least once each."""

    outbox: Outbox
    bus: Bus

    def relay(self, rows: list[OutboxRow]) -> int:
        """Send events; returns how many the bus accepted. The others stay in the sweep."""
        accepted = self.bus.put(rows)
        for row in accepted:
            try:
                self.outbox.mark_relayed(row)
            except ClientError as error:  # it will be sent again, which consumers are made for
                log_failure(error)
        return len(accepted)

    def resend(self, now: datetime) -> None:
        """Send events that have waited for two minutes; counts those that the bus accepted (`EventsResent`)."""
        for_each(
            _batches(self.outbox.backlog(now - RESEND_AFTER)), lambda rows: count("EventsResent", self.relay(rows))
        )


def rows_of(records: Iterable[dict[str, Any]]) -> list[OutboxRow]:
    """The events among a stream's records; one that can't be read is logged and left to the sweep."""
    rows = []
    for record in records:
        try:
            rows.append(OutboxRow.from_stream(record["dynamodb"]["NewImage"]))
        except (KeyError, ValidationError) as error:
            log_failure(error)
    return rows


def _batches(rows: Iterator[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """As many rows at a time as one call to the bus takes."""
    while batch := list(islice(rows, ENTRIES_PER_CALL)):
        yield batch
