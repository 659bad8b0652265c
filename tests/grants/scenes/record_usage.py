"""record-usage: usage counted from its queue, feedback taken, both reported."""

from datetime import date

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tests.world import sqs_event
from tuneloop.app import utc_now
from tuneloop.domain.core.ids import tenant_hash
from tuneloop.domain.serving.routing import Arm, Inference
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord

RECORD = "record-usage"


def today() -> date:
    return utc_now().date()


def batch(stage: Stage) -> UsageBatch:
    """The usage of one call."""
    record = UsageRecord(model="support", version=0, at=utc_now())
    return UsageBatch(id="chatcmpl-1", tenant=stage.tenant, records=[record])


def inference(stage: Stage) -> str:
    """The id of an answer of version 0."""
    return Inference("support", 0, 0, Arm.STABLE, today().isoformat(), tenant_hash(stage.tenant), "0", "abc").id


@scene(RECORD, "GET /v1/usage")
def usage_is_reported(stage: Stage) -> None:
    state.model(stage)
    stage.usage.add(batch(stage), utc_now())

    [row] = stage.call("GET /v1/usage")["data"]
    assert (row["model"], row["calls"]) == ("support", 1)


@scene(RECORD, "POST /v1/feedback")
def feedback_is_counted(stage: Stage) -> None:
    state.model(stage)

    stage.call("POST /v1/feedback", {"inference_id": inference(stage), "rating": 4})

    days = (today().isoformat(), today().isoformat())
    assert [row.ratings for row in stage.usage.rows(stage.tenant, "support", *days)] == [1]


@scene(RECORD, "POST /v1/feedback")
def a_correction_waits_to_be_collected(stage: Stage) -> None:
    state.dataset(stage)
    said = {"messages": [{"role": "user", "content": "Where is it?"}], "answer": "late", "correction": "lost"}

    taken = stage.call("POST /v1/feedback", {"inference_id": inference(stage), **said})

    assert taken["becomes_example"]
    assert len(list(stage.objects.lines(f"posted/{stage.tenant}/support/{taken['drop']}.jsonl"))) == 2


@scene(RECORD, "queue")
def usage_is_counted(stage: Stage) -> None:
    stage.invoke(RECORD, sqs_event("usage", batch(stage).model_dump_json()))

    days = (today().isoformat(), today().isoformat())
    assert [row.calls for row in stage.usage.rows(stage.tenant, "support", *days)] == [1]
