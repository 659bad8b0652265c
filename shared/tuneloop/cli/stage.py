"""A stage's stores, bucket and providers, found by its stack's outputs or by the environment of that stage."""

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
    """The tenants and API keys of a stage."""
    return Tenants(_table(stage))


def spendings(stage: str) -> Spendings:
    """The budgets of a stage's tenants, and their spending."""
    return Spendings(_table(stage))


def datasets(stage: str) -> Datasets:
    """The datasets and drops of a stage."""
    return Datasets(_table(stage))


def providers(stage: str) -> ProviderRows:
    """The providers that were added to a stage after its deployment."""
    return ProviderRows(_table(stage))


def runs(stage: str) -> Runs:
    """The training runs of a stage."""
    return Runs(_table(stage))


def models(stage: str) -> Models:
    """The models and versions of a stage."""
    return Models(_table(stage))


def own_provider(stage: str) -> str:
    """The name of the default provider, with which a stage was deployed."""
    return _variable("TUNELOOP_PROVIDER", stage) or _output(stage, "Provider")


def own_providers(stage: str) -> dict[str, str]:
    """The addresses (or "") by name of the providers with which a stage was deployed, the default first."""
    default = own_provider(stage)
    address = _variable("TUNELOOP_PROVIDER_BASE_URL", stage) or _optional_output("ProviderBaseUrl", stage)
    bedrock_role = _variable("TUNELOOP_BEDROCK_ROLE_ARN", stage) or _optional_output("BedrockRoleArn", stage)
    return {default: "" if default == BEDROCK.name else address} | ({BEDROCK.name: ""} if bedrock_role else {})


def is_emulated(stage: str) -> bool:
    """Whether a stage is deployed to an emulator of AWS on this machine; False if its stack doesn't say so."""
    if stage == LOCAL_STAGE or _variable("TUNELOOP_TABLE", stage):
        return stage == LOCAL_STAGE
    return _outputs(stage).get("IsEmulated") == "true"


def bucket(stage: str) -> str:
    """The name of a stage's data bucket."""
    return _variable("TUNELOOP_BUCKET", stage) or _output(stage, "BucketName")


def _table(stage: str) -> Table:
    name = _variable("TUNELOOP_TABLE", stage) or _output(stage, "TableName")
    return Table(boto3.client("dynamodb"), name)


def _optional_output(name: str, stage: str) -> str:
    """An output that not every stack has, or ""; always "" if the environment is that of this stage."""
    return "" if os.environ.get("TUNELOOP_STAGE") == stage else _outputs(stage).get(name, "")


def _variable(variable: str, stage: str) -> str | None:
    """An environment variable if TUNELOOP_STAGE names this stage; None for any other stage."""
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
