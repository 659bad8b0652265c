"""The region of an operator's commands: one for all the tools that take part, however it was named."""

import os
from collections.abc import MutableMapping


def agree_on_region(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let AWS_REGION count before all else: the CDK and the `aws` command go by it, boto3 doesn't read it."""
    if region := environment.get("AWS_REGION"):
        environment["AWS_DEFAULT_REGION"] = region
