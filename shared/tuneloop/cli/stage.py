"""Where a stage lives: its table and bucket, from the environment or from its stack's outputs."""

import os
from functools import cache
from typing import Annotated, Any

import boto3
import typer

from tuneloop.domain.errors import NotFound
from tuneloop.store.datasets import Datasets
from tuneloop.store.table import Table
from tuneloop.store.tenants import Tenants

StageOption = Annotated[str, typer.Option("--stage", envvar="TUNELOOP_STAGE", help="The deployed stage to work on.")]


def tenants(stage: str) -> Tenants:
    """The stage's tenants and keys."""
    return Tenants(_table(stage))


def datasets(stage: str) -> Datasets:
    """The stage's datasets and drops."""
    return Datasets(_table(stage))


def bucket(stage: str) -> str:
    """The stage's data bucket."""
    return os.environ.get("TUNELOOP_BUCKET") or _output(stage, "BucketName")


def _table(stage: str) -> Table:
    name = os.environ.get("TUNELOOP_TABLE") or _output(stage, "TableName")
    return Table(boto3.client("dynamodb"), name)


@cache
def _outputs(stage: str) -> dict[str, str]:
    stacks: Any = boto3.client("cloudformation").describe_stacks(StackName=f"tuneloop-{stage}")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def _output(stage: str, name: str) -> str:
    try:
        return _outputs(stage)[name]
    except (KeyError, IndexError) as error:
        raise NotFound(f"Stack tuneloop-{stage} has no output {name}. Is the stage deployed?") from error
