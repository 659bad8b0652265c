"""The relay: events go from the outbox to the bus, and are sent again until the bus has accepted them."""

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

# The stream delivers a row within seconds, so an event that waited this long was missed by it or refused by the bus. A
# shorter time would send events twice that the stream is about to deliver.
RESEND_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class RelayEvents:
    """Sends rows of the outbox to the bus, at least once each."""

    outbox: Outbox
    bus: Bus

    def relay(self, rows: list[OutboxRow]) -> int:
        """Send events to the bus and mark those that it accepted; returns their number. The rest wait for the sweep."""
        accepted = self.bus.put(rows)
        for row in accepted:
            try:
                self.outbox.mark_relayed(row)
            except ClientError as error:  # the sweep sends the event again, which consumers tolerate
                log_failure(error)
        return len(accepted)

    def resend(self, now: datetime) -> None:
        """Send events that have waited for RESEND_AFTER; counts those that the bus accepted (`EventsResent`)."""
        for_each(
            _batches(self.outbox.backlog(now - RESEND_AFTER)), lambda rows: count("EventsResent", self.relay(rows))
        )


def rows_of(records: Iterable[dict[str, Any]]) -> list[OutboxRow]:
    """The outbox rows in a stream's records; a record that can't be read is logged, its event waits for the sweep."""
    rows = []
    for record in records:
        try:
            rows.append(OutboxRow.from_stream(record["dynamodb"]["NewImage"]))
        except (KeyError, ValidationError) as error:
            log_failure(error)
    return rows


def _batches(rows: Iterator[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """Rows in batches of as many as one call to the bus takes."""
    while batch := list(islice(rows, ENTRIES_PER_CALL)):
        yield batch
