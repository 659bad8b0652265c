"""What Bedrock keeps of a stage: jobs that run, trained models, each billed by the month, and their deployments.

They are no part of the stack and outlive it. Job and model are found by the name of their run, which has the stage in
it, a deployment by the model that it serves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.stage import Stage
from ops.console import counted, told
from ops.stage_access import Deployed
from tuneloop.providers.bedrock.jobs import job_name, run_in


@dataclass(frozen=True)
class BedrockLeftovers:
    """The ARNs of a stage's running jobs and models on Bedrock, and of the deployments that have to go before those."""

    jobs: list[str]
    models: list[str]
    deployments: list[str]

    @property
    def commands(self) -> list[str]:
        """What removes them for good, in the order in which Bedrock takes it."""
        one, other = "--custom-model-deployment-identifier", "--model-identifier"
        return [
            *(f"aws bedrock stop-model-customization-job --job-identifier {arn}" for arn in self.jobs),
            *(f"aws bedrock delete-custom-model-deployment {one} {arn}" for arn in self.deployments),
            *(f"aws bedrock delete-custom-model {other} {arn}" for arn in self.models),
        ]


def kept(stage: Stage, bedrock: Any) -> BedrockLeftovers:
    """What Bedrock has of a stage in the region that `bedrock` asks."""

    def listed(operation: str, rows: str, **query: Any) -> Iterator[dict[str, Any]]:
        for page in bedrock.get_paginator(operation).paginate(**query):
            yield from page.get(rows, [])

    ours = job_name(stage.name, "")
    running = listed(
        "list_model_customization_jobs", "modelCustomizationJobSummaries", nameContains=ours, statusEquals="InProgress"
    )
    jobs = [str(job["jobArn"]) for job in running if run_in(job["jobName"], stage.name)]
    trained = listed("list_custom_models", "modelSummaries", nameContains=ours)
    models = [str(model["modelArn"]) for model in trained if run_in(model["modelName"], stage.name)]
    served = [
        str(deployment["customModelDeploymentArn"])
        for model in models
        for deployment in listed("list_custom_model_deployments", "modelDeploymentSummaries", modelArnEquals=model)
    ]
    return BedrockLeftovers(jobs, models, served)


def told_of(deployed: Deployed) -> Iterator[str]:
    """Lines on what stays at Bedrock, with the commands that remove it; none where it keeps nothing."""
    if not deployed.stage.trains_on_bedrock:
        return
    names = job_name(deployed.stage.name, "")
    try:
        found = kept(deployed.stage, deployed.client("bedrock"))
    except (BotoCoreError, ClientError) as error:
        yield f"What Bedrock keeps could not be listed ({told(error)}). Its trained models are billed by the month:"
        yield f"  aws bedrock list-custom-models --name-contains {names}"
        return
    if not found.commands:
        return
    counts = ", ".join(
        counted(len(arns), what)
        for arns, what in (
            (found.jobs, "running job"),
            (found.models, "trained model"),
            (found.deployments, "deployment"),
        )
        if arns
    )
    yield f"Bedrock has {counts} of this stage, and bills each model by the month. To end that:"
    yield from (f"  {command}" for command in found.commands)
