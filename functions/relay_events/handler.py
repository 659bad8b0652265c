"""relay-events: sends events from the table's stream to the bus, and sweeps up those that were missed or refused."""

from typing import Any

from relay_events.relay import RelayEvents, rows_of
from tuneloop.app import app, utc_now
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("relay-events")


@handler.on("stream")
def on_records(records: list[dict[str, Any]]) -> None:
    """Relay new rows of the outbox; counts those that the bus didn't accept as `EventsLeftToSweep`."""
    count("EventsLeftToSweep", len(records) - RelayEvents(app.outbox, app.bus).relay(rows_of(records)))


@handler.on("every-5-minutes")
def sweep() -> None:
    """Relay events that still wait in the outbox."""
    RelayEvents(app.outbox, app.bus).resend(utc_now())
