"""relay-events: the table's stream, and a sweep for what the stream missed."""

from typing import Any

from relay_events.relay import RelayEvents, rows_of
from tuneloop.app import app, utc_now
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("relay-events")


@handler.on("stream")
def on_records(records: list[dict[str, Any]]) -> None:
    """Relay new rows of the outbox."""
    count("EventsLeftToSweep", len(records) - RelayEvents(app.outbox, app.bus).relay(rows_of(records)))


@handler.on("every-5-minutes")
def sweep() -> None:
    """Relay events that are still waiting."""
    RelayEvents(app.outbox, app.bus).resend(utc_now())
