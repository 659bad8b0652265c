"""Bedrock's word of a job, sent to the deployed function as EventBridge sends it: the run is looked at, and ends."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.stage import LOCAL
from local.ministack import REGION
from local.stack import ROOT, LocalStack
from release.loop import Journey
from tests.e2e.conftest import SAMPLE

EVENT = ROOT / "events" / "check_status.bedrock.json"
NEVER = "3600"  # seconds: who reads a run here does not have its provider asked


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    with LocalStack(ROOT / "build" / "e2e-bedrock", provider="bedrock", refresh_after_s=NEVER) as stack:
        made = Journey(stack=stack, dataset="support", tenant="bedrock")
        made.make_key()
        yield made


def bedrock(stack: Any) -> Any:
    return boto3.client(
        "bedrock",
        endpoint_url=stack.trainer.bedrock_url,
        region_name=REGION,
        aws_access_key_id=stack.aws.access_key_id,
        aws_secret_access_key=stack.aws.secret_access_key,
    )


def tell(stack: Any, job: str) -> None:
    """Call the deployed function with the recorded event, about this job."""
    event = json.loads(EVENT.read_text("utf-8"))
    event["resources"], event["detail"]["jobArn"] = [job], job
    answer = stack.client("lambda").invoke(FunctionName=LOCAL.name_of("check-status"), Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_a_run_ends_by_the_event_that_its_job_has_ended(journey: Journey) -> None:
    stack: Any = journey.stack
    journey.api.post("/datasets", {"id": "support", "on_drop": "collect"})
    journey.drop(SAMPLE)
    journey.collected(1, 60)
    run = journey.api.post("/training-runs", {"dataset": "support"})["id"]

    def at_bedrock() -> str | None:
        found: str | None = journey.api.get(f"/training-runs/{run}")["provider_job_id"]
        return found

    job = journey.wait_for("Submitting the run", at_bedrock, 60)
    jobs = bedrock(stack)
    journey.wait_for(
        "Training", lambda: jobs.get_model_customization_job(jobIdentifier=job)["status"] == "Completed", 120
    )
    before = journey.api.get(f"/training-runs/{run}")["status"]
    tell(stack, job)
    tell(stack, job)

    after = journey.api.get(f"/training-runs/{run}")
    assert before != "succeeded"
    assert (after["status"], after["version"]) == ("succeeded", 1)


def test_a_job_that_is_nobody_s_changes_nothing(journey: Journey) -> None:
    before = journey.api.get("/training-runs")["data"]

    tell(journey.stack, "arn:aws:bedrock:us-east-1:123456789012:model-customization-job/a.b/abcdefghwxyz")

    assert journey.api.get("/training-runs")["data"] == before
