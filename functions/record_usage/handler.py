"""record-usage: counts usage from the queue, each batch once, and takes feedback by its routes."""

from record_usage.routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.serving.usage import UsageBatch
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("record-usage", api)


@handler.on("queue")
def on_message(body: str) -> None:
    """Count a batch of usage records; a batch that was delivered before counts as `UsageBatchesRepeated` only."""
    batch = UsageBatch.model_validate_json(body)
    if not app.usage.add(batch, utc_now()):
        count("UsageBatchesRepeated")
        return
    count("Tokens", sum(record.prompt_tokens + record.completion_tokens for record in batch.records))
    count("Dollars", float(sum(record.cost_usd or 0 for record in batch.records)))
