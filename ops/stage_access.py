"""A deployed stage: its stack in the account and region of the caller's AWS credentials."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoRegionError

from infra.stage import Stage
from ops.console import CommandRefused

DELETED = {"DELETE_COMPLETE"}
# The smoke test invokes functions and waits for their answers, and a function may take 15 minutes; botocore's own time
# limit of a minute would invoke it a second time.
CLIENT_CONFIG = Config(read_timeout=910)


@dataclass
class DeployedStage:
    """A stage with what CloudFormation knows of its stack."""

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
        return next((stack for stack in stacks if stack["StackStatus"] not in DELETED), None)

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name; none where there is no stack, or one that never came up."""
        return {output["OutputKey"]: output["OutputValue"] for output in (self.stack or {}).get("Outputs", [])}

    @property
    def base_url(self) -> str:
        """The URL for an OpenAI client; TUNELOOP_BASE_URL, if set, goes before the address that AWS gave the API."""
        return os.environ.get("TUNELOOP_BASE_URL") or f"{self.output('ApiUrl').rstrip('/')}/v1"

    def output(self, name: str) -> str:
        """The stack's output of this name; CommandRefused where the stage isn't deployed."""
        try:
            return self.outputs[name]
        except KeyError:
            raise CommandRefused(
                f"Stage {self.stage.name} is not deployed here (stack {self.stage.stack_name} has no output {name}): "
                f"make deploy STAGE={self.stage.name}"
            ) from None

    def resources(self, kind: str) -> list[str]:
        """The physical ids of the stack's existing resources of a type, also of a stack that is half deleted."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return [
            name
            for page in pages.paginate(StackName=self.stage.stack_name)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == kind and resource["ResourceStatus"] not in DELETED
            if (name := resource.get("PhysicalResourceId"))  # absent where the resource was never made
        ]

    def client(self, service: str) -> Any:
        """A boto3 client with the caller's own credentials."""
        return boto3.client(service, config=CLIENT_CONFIG)  # type: ignore[call-overload]


def require_deployed(stage: Stage) -> DeployedStage:
    """A stage that is deployed; CommandRefused, with what to do, where it is not."""
    deployed = DeployedStage(stage)
    deployed.output("TableName")
    return deployed


def caller_identity() -> dict[str, Any]:
    """Account and ARN of whoever is signed in; botocore's own error where nobody is, or no region is set."""
    if not boto3.Session().region_name:
        raise NoRegionError  # STS answers without a region, but the next call to another service would not
    return dict(boto3.client("sts").get_caller_identity())


def key_parameter_type(stage: Stage) -> str | None:
    """The type of the SSM parameter for the provider's key, None where there is none; its value is not decrypted."""
    try:
        parameter = boto3.client("ssm").get_parameter(Name=stage.key_parameter)["Parameter"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise
    return str(parameter["Type"])
