"""Where a stage lives: its table and bucket by its stack's outputs, or by the environment of this very stage."""

import os
from functools import cache
from typing import Annotated, Any

import boto3
import typer

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.training.providers import BEDROCK, LOCAL_STAGE
from tuneloop.store.dynamodb import Table
from tuneloop.store.repositories.budgets import Spendings
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.providers import ProviderRows
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants

StageOption = Annotated[str, typer.Option("--stage", envvar="TUNELOOP_STAGE", help="The deployed stage to work on.")]


def tenants(stage: str) -> Tenants:
    """The stage's tenants and keys."""
    return Tenants(_table(stage))


def spendings(stage: str) -> Spendings:
    """The stage's budgets, and what is used of them."""
    return Spendings(_table(stage))


def datasets(stage: str) -> Datasets:
    """The stage's datasets and drops."""
    return Datasets(_table(stage))


def providers(stage: str) -> ProviderRows:
    """The providers that were added to the stage."""
    return ProviderRows(_table(stage))


def runs(stage: str) -> Runs:
    """The stage's training runs."""
    return Runs(_table(stage))


def models(stage: str) -> Models:
    """The stage's models and versions."""
    return Models(_table(stage))


def own_provider(stage: str) -> str:
    """The provider that the stage was deployed with."""
    return _set("TUNELOOP_PROVIDER", stage) or _output(stage, "Provider")


def own_providers(stage: str) -> dict[str, str]:
    """The providers that a stage was deployed with, by name, each with its address if it has one; the default first."""
    own = own_provider(stage)
    address = _set("TUNELOOP_PROVIDER_BASE_URL", stage) or _optional("ProviderBaseUrl", stage)
    beside = _set("TUNELOOP_BEDROCK_ROLE_ARN", stage) or _optional("BedrockRoleArn", stage)
    return {own: "" if own == BEDROCK.name else address} | ({BEDROCK.name: ""} if beside else {})


def is_emulated(stage: str) -> bool:
    """Whether a stage is deployed to an emulator of AWS on this machine; one that doesn't say so yet is not."""
    if stage == LOCAL_STAGE or _set("TUNELOOP_TABLE", stage):
        return stage == LOCAL_STAGE
    return _outputs(stage).get("IsEmulated") == "true"


def bucket(stage: str) -> str:
    """The stage's data bucket."""
    return _set("TUNELOOP_BUCKET", stage) or _output(stage, "BucketName")


def _table(stage: str) -> Table:
    name = _set("TUNELOOP_TABLE", stage) or _output(stage, "TableName")
    return Table(boto3.client("dynamodb"), name)


def _optional(name: str, stage: str) -> str:
    """An output that not every stage has; nothing where the environment speaks of this very stage instead."""
    return "" if os.environ.get("TUNELOOP_STAGE") == stage else _outputs(stage).get(name, "")


def _set(variable: str, stage: str) -> str | None:
    """What the environment says, if it speaks of this stage and not of another."""
    return os.environ.get(variable) if os.environ.get("TUNELOOP_STAGE") == stage else None


@cache
def _outputs(stage: str) -> dict[str, str]:
    stacks: Any = boto3.client("cloudformation").describe_stacks(StackName=f"tuneloop-{stage}")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def _output(stage: str, name: str) -> str:
    try:
        return _outputs(stage)[name]
    except (KeyError, IndexError) as error:
        raise NotFound(f"Stack tuneloop-{stage} has no output {name}. Is the stage deployed?") from error
