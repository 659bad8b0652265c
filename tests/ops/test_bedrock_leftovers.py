"""What Bedrock keeps of a stage is found by the names that only its own have, and told with what removes it."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

import ops.destroy
from infra.stage import Stage, stage_named
from ops.bedrock_leftovers import describe_leftovers, find_leftovers
from ops.console import CommandRefused
from ops.destroy import destroy_stage, refuse_to_lose_data
from tests.ops.conftest import OWN, Standing

pytestmark = pytest.mark.usefixtures("account")

HERE = "arn:aws:bedrock:us-east-1:123456789012"
JOB = f"{HERE}:model-customization-job/amazon.nova-micro-v1:0:128k/abcdefghijkl"
MODEL = f"{HERE}:custom-model/amazon.nova-micro-v1:0:128k/abcdefghijkl"
DEPLOYMENT = f"{HERE}:custom-model-deployment/abcdefghijkl"
BASE = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0"
RUN = "run-0123456789abcdef01234567"
AT = datetime(2026, 11, 21, tzinfo=UTC)


def bedrock(*names: str, error: str = "") -> Any:
    """A client that answers as Bedrock's own description says: a job and a model of each name, one deployment."""
    client = boto3.client("bedrock", region_name="us-east-1")
    stub = Stubber(client)
    if error:
        stub.add_client_error("list_model_customization_jobs", error, http_status_code=403)
    else:
        jobs = [
            {"jobArn": JOB, "baseModelArn": BASE, "jobName": name} | {"status": "InProgress", "creationTime": AT}
            for name in names
        ]
        models = [
            {"modelArn": MODEL, "modelName": name, "creationTime": AT, "baseModelArn": BASE, "baseModelName": "x"}
            for name in names
        ]
        served = {"customModelDeploymentArn": DEPLOYMENT, "customModelDeploymentName": "x", "modelArn": MODEL}
        begun = {"nameContains": "tuneloop-try-", "statusEquals": "InProgress"}
        stub.add_response("list_model_customization_jobs", {"modelCustomizationJobSummaries": jobs}, begun)
        stub.add_response("list_custom_models", {"modelSummaries": models}, {"nameContains": "tuneloop-try-"})
        found = {"modelDeploymentSummaries": [{**served, "createdAt": AT, "status": "Active"}]}
        stub.add_response("list_custom_model_deployments", found, {"modelArnEquals": MODEL})
    stub.activate()
    return client


class OnBedrock(Standing):
    """A stage with what Bedrock keeps of it."""

    answers: Any = None

    def client(self, service: str) -> Any:
        return self.answers if service == "bedrock" else super().client(service)


def test_leftovers_are_named_in_the_order_in_which_they_can_be_removed(stage: Stage) -> None:
    found = find_leftovers(stage, bedrock(f"tuneloop-try-{RUN}"))

    assert found.commands == [
        f"aws bedrock stop-model-customization-job --job-identifier {JOB}",
        f"aws bedrock delete-custom-model-deployment --custom-model-deployment-identifier {DEPLOYMENT}",
        f"aws bedrock delete-custom-model --model-identifier {MODEL}",
    ]


def test_what_belongs_to_a_longer_named_stage_or_others_is_left_alone(stage: Stage) -> None:
    assert not find_leftovers(stage, bedrock(f"tuneloop-try-2-{RUN}", "tuneloop-try-my-own")).commands


def test_taking_a_stage_down_says_what_outlives_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(OnBedrock, "answers", bedrock(f"tuneloop-try-{RUN}"))
    monkeypatch.setattr(ops.destroy, "DeployedStage", OnBedrock)

    destroy_stage(stage, confirm="", with_key=False)

    said = capsys.readouterr().out
    assert "Bedrock has 1 running job, 1 trained model, 1 deployment of this stage, and bills each model" in said
    assert f"  aws bedrock delete-custom-model --model-identifier {MODEL}" in said
    assert "key" not in said


def test_production_is_refused_with_what_outlives_it_and_no_missing_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OnBedrock, "answers", bedrock(error="AccessDeniedException"))

    with pytest.raises(CommandRefused) as refused:
        refuse_to_lose_data(OnBedrock(stage_named("prod", {}), ApiUrl="https://api.example/"))

    assert "delete-parameter" not in str(refused.value)
    assert "could not be listed" in str(refused.value)
    assert "aws bedrock list-custom-models --name-contains tuneloop-prod-" in str(refused.value)


def test_a_stage_that_never_trains_there_is_not_asked_about() -> None:
    assert not list(describe_leftovers(OnBedrock(stage_named("try", OWN))))
