"""relay-events: the table's stream, and a sweep for what the stream missed."""

from typing import Any

from relay_events.relay import relay, resend, rows_of
from tuneloop.app import app, utc_now
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("relay-events")


@handler.on("stream")
def on_records(records: list[dict[str, Any]]) -> None:
    """New rows of the outbox."""
    rows = rows_of(records)
    count("EventsLeftToSweep", len(records) - relay(rows, outbox=app.outbox, bus=app.bus))


@handler.on("every-5-minutes")
def sweep() -> None:
    """Events that are still waiting."""
    resend(outbox=app.outbox, bus=app.bus, now=utc_now())
