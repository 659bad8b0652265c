"""What a stage leaves at Bedrock: running jobs, trained models, each billed by the month, and their deployments.

None of them belongs to the stack, so they outlive it. Jobs and models are found by name, which contains the stage and
the run; deployments are found by the model that they serve.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.stage import Stage
from ops.console import aws_error_text, count_of
from ops.stage_access import DeployedStage
from tuneloop.providers.bedrock.jobs import job_name, run_in


@dataclass(frozen=True)
class BedrockLeftovers:
    """The ARNs of a stage's running jobs, models and deployments on Bedrock."""

    jobs: list[str]
    models: list[str]
    deployments: list[str]

    @property
    def commands(self) -> list[str]:
        """The `aws` commands that remove all of them, in the order that Bedrock accepts."""
        delete_deployment = "aws bedrock delete-custom-model-deployment --custom-model-deployment-identifier"
        return [
            *(f"aws bedrock stop-model-customization-job --job-identifier {arn}" for arn in self.jobs),
            *(f"{delete_deployment} {arn}" for arn in self.deployments),
            *(f"aws bedrock delete-custom-model --model-identifier {arn}" for arn in self.models),
        ]


def find_leftovers(stage: Stage, bedrock: Any) -> BedrockLeftovers:
    """Return what a stage has left at Bedrock, in the region of `bedrock`, a boto3 client."""

    def list_all(operation: str, rows: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of all pages of a list operation."""
        for page in bedrock.get_paginator(operation).paginate(**query):
            yield from page.get(rows, [])

    prefix = job_name(stage.name, "")
    running = list_all(
        "list_model_customization_jobs",
        "modelCustomizationJobSummaries",
        nameContains=prefix,
        statusEquals="InProgress",
    )
    jobs = [str(job["jobArn"]) for job in running if run_in(job["jobName"], stage.name)]
    trained = list_all("list_custom_models", "modelSummaries", nameContains=prefix)
    models = [str(model["modelArn"]) for model in trained if run_in(model["modelName"], stage.name)]
    deployments = [
        str(deployment["customModelDeploymentArn"])
        for model in models
        for deployment in list_all("list_custom_model_deployments", "modelDeploymentSummaries", modelArnEquals=model)
    ]
    return BedrockLeftovers(jobs, models, deployments)


def describe_leftovers(deployed: DeployedStage) -> Iterator[str]:
    """Lines about what stays at Bedrock, with the commands that remove it; none where nothing stays.

    A list that AWS refuses gives a line with the reason and the command to look by hand.
    """
    if not deployed.stage.trains_on_bedrock:
        return
    prefix = job_name(deployed.stage.name, "")
    try:
        leftovers = find_leftovers(deployed.stage, deployed.client("bedrock"))
    except (BotoCoreError, ClientError) as error:
        why = aws_error_text(error)
        yield f"What Bedrock keeps could not be listed ({why}). Its trained models are billed by the month:"
        yield f"  aws bedrock list-custom-models --name-contains {prefix}"
        return
    if not leftovers.commands:
        return
    counts = ", ".join(
        count_of(len(arns), what)
        for arns, what in (
            (leftovers.jobs, "running job"),
            (leftovers.models, "trained model"),
            (leftovers.deployments, "deployment"),
        )
        if arns
    )
    yield f"Bedrock has {counts} of this stage, and bills each model by the month. To end that:"
    yield from (f"  {command}" for command in leftovers.commands)
