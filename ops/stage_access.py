"""A stage as it is deployed: its stack in the account and region of the caller's AWS credentials."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoRegionError

from infra.stage import Stage
from ops.console import CommandRefused

GONE = {"DELETE_COMPLETE"}
PATIENCE = Config(read_timeout=910)  # a function that is called for its answer may take its 15 minutes


@dataclass
class DeployedStage:
    """A stage as CloudFormation knows it; `stack` is None where there is no such stack."""

    stage: Stage

    @cached_property
    def stack(self) -> dict[str, Any] | None:
        """The stack as CloudFormation describes it; None where there is none."""
        try:
            stacks: list[dict[str, Any]] = self.client("cloudformation").describe_stacks(
                StackName=self.stage.stack_name
            )["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return next((stack for stack in stacks if stack["StackStatus"] not in GONE), None)

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name; none where there is no stack, or one that never came up."""
        return {output["OutputKey"]: output["OutputValue"] for output in (self.stack or {}).get("Outputs", [])}

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given; TUNELOOP_BASE_URL where the API is reached by another name than AWS's."""
        return os.environ.get("TUNELOOP_BASE_URL") or f"{self.output('ApiUrl').rstrip('/')}/v1"

    def output(self, name: str) -> str:
        """One output; Refusal where the stage isn't deployed."""
        try:
            return self.outputs[name]
        except KeyError:
            raise CommandRefused(
                f"Stage {self.stage.name} is not deployed here (stack {self.stage.stack_name} has no output {name}): "
                f"make deploy STAGE={self.stage.name}"
            ) from None

    def resources(self, kind: str) -> list[str]:
        """The names of the stack's resources of a type that still exist, also of a stack that is half gone."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return [
            name
            for page in pages.paginate(StackName=self.stage.stack_name)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == kind and resource["ResourceStatus"] not in GONE
            if (name := resource.get("PhysicalResourceId"))  # none where it was never made
        ]

    def client(self, service: str) -> Any:
        """A boto3 client with the caller's own credentials."""
        return boto3.client(service, config=PATIENCE)  # type: ignore[call-overload]


def require_deployed(stage: Stage) -> DeployedStage:
    """Return a stage as it is deployed; CommandRefused, with what to do, where it is not."""
    deployed = DeployedStage(stage)
    deployed.output("TableName")
    return deployed


def caller_identity() -> dict[str, Any]:
    """Who is signed in to which account; botocore's own error where nobody is, or no region is set."""
    if not boto3.Session().region_name:
        raise NoRegionError  # STS would answer without one, and the next call would not
    return dict(boto3.client("sts").get_caller_identity())


def has_key(stage: Stage) -> str | None:
    """The type of the parameter that holds the provider's key, or None where there is none; never its value."""
    try:
        found = boto3.client("ssm").get_parameter(Name=stage.key_parameter)["Parameter"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise
    return str(found["Type"])
