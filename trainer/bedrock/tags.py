"""Tags: what jobs, custom models and deployments were labelled with when they were made."""

from typing import Any

from trainer.bedrock.arns import id_in
from trainer.bedrock.errors import not_found
from trainer.bedrock.request_context import Asking


def list_tags(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """List the tags that a job, a custom model or a deployment was made with."""
    arn = request["resourceARN"]
    tags = {one.arn: one.request.get("jobTags", []) for one in asking.customizations()}
    tags |= {one.model_arn: one.request.get("customModelTags", []) for one in asking.customizations()}
    tags |= {one.arn: one.request.get("tags", []) for one in asking.deployments()}
    if arn not in tags:
        raise not_found(f"resource with the id {id_in(arn)}")
    return {"tags": tags[arn]}
