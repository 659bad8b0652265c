"""Tags: what jobs, custom models and deployments were labelled with when they were made."""

from typing import Any

from trainer.bedrock.arns import id_in
from trainer.bedrock.errors import not_found
from trainer.bedrock.request_context import RequestContext


def list_tags(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the tags that a job, a custom model or a deployment was made with."""
    arn = request["resourceARN"]
    tags = {row.arn: row.request.get("jobTags", []) for row in context.customizations()}
    tags |= {row.model_arn: row.request.get("customModelTags", []) for row in context.customizations()}
    tags |= {row.arn: row.request.get("tags", []) for row in context.deployments()}
    if arn not in tags:
        raise not_found(f"resource with the id {id_in(arn)}")
    return {"tags": tags[arn]}
