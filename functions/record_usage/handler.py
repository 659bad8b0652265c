"""record-usage: usage from the queue, each batch counted once."""

from record_usage.routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.usage import UsageBatch
from tuneloop.observability import count
from tuneloop.triggers import Function

handler = Function("record-usage", api)


@handler.on("queue")
def on_message(body: str) -> None:
    """A batch of usage records."""
    if not app.usage.add(UsageBatch.model_validate_json(body), utc_now()):
        count("UsageBatchesRepeated")
