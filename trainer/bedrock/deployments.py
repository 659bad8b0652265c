"""Deployments of custom models for on-demand use: create (once per token), get, list, update and delete.

A new deployment is `Creating`, and an update is `Updating`, until `settle_s` seconds have passed. During an update the
deployment still serves its former model.
"""

import time
from collections.abc import Mapping
from typing import Any

from trainer.bedrock import custom_models
from trainer.bedrock.arns import account_in, deployment_arn, new_id
from trainer.bedrock.errors import invalid, not_found
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import RequestContext
from trainer.storage.bedrock import DeploymentRow

CREATING, ACTIVE = "Creating", "Active"


def create(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Create a deployment, or return the one that was created with this token."""
    customization, _ = custom_models.find(context, request["modelArn"])
    deployment_id = new_id()
    deployment = DeploymentRow(
        id=deployment_id,
        arn=deployment_arn(context.region, account_in(customization.model_arn), deployment_id),
        model_arn=customization.model_arn,
        request=request,
        created_at=round(time.time(), 3),
    )
    with context.home.rows.transaction():
        earlier = _created_with_token(context, request)
        if earlier is None:
            context.home.bedrock.add_deployment(deployment)
    return {"customModelDeploymentArn": (earlier or deployment).arn}


def _created_with_token(context: RequestContext, request: Mapping[str, Any]) -> DeploymentRow | None:
    """Return the deployment created with this token, or None; refuse a reused token and a name that is taken."""
    token = request.get("clientRequestToken")
    for deployment in context.deployments():
        if token is not None and deployment.request.get("clientRequestToken") == token:
            if deployment.request != request:
                raise invalid("The clientRequestToken was used before, with other parameters.")
            return deployment
        if deployment.request["modelDeploymentName"] == request["modelDeploymentName"]:
            raise invalid("The modelDeploymentName is in use.")
    return None


def find(context: RequestContext, identifier: str) -> DeploymentRow:
    """Return the deployment with this name or ARN; ResourceNotFoundException if there is none."""
    for deployment in context.deployments():
        if identifier in (deployment.arn, deployment.request["modelDeploymentName"]):
            return deployment
    raise not_found("custom model deployment")


def status_of(context: RequestContext, deployment: DeploymentRow) -> str:
    """Return a deployment's status, `Creating` or `Active`."""
    return ACTIVE if deployment.updated_at or context.has_settled(deployment) else CREATING


def model_served(context: RequestContext, deployment: DeploymentRow) -> str:
    """Return the ARN of the custom model that answers for a deployment now."""
    if deployment.model_before is None or context.has_settled(deployment):
        return deployment.model_arn
    return deployment.model_before


def get(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Describe a deployment, in the shape of GetCustomModelDeployment."""
    deployment = find(context, request["customModelDeploymentIdentifier"])
    description: dict[str, Any] = {
        "customModelDeploymentArn": deployment.arn,
        "modelDeploymentName": deployment.request["modelDeploymentName"],
        "modelArn": model_served(context, deployment),
        "createdAt": moment(deployment.created_at),
        "status": status_of(context, deployment),
        "lastUpdatedAt": moment(deployment.updated_at or deployment.created_at),
    }
    if "description" in deployment.request:
        description["description"] = deployment.request["description"]
    if deployment.updated_at:
        state = "UpdateCompleted" if context.has_settled(deployment) else "Updating"
        description["updateDetails"] = {"modelArn": deployment.model_arn, "updateStatus": state}
    return description


def list_deployments(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's deployments, newest first unless the request sorts them otherwise."""
    model_arn = request.get("modelArnEquals")
    deployments = context.deployments()
    rows = (_row(context, row) for row in deployments if model_arn in (None, model_served(context, row)))
    return page_of(rows, request, "modelDeploymentSummaries")


def _row(context: RequestContext, deployment: DeploymentRow) -> Row:
    name, status = deployment.request["modelDeploymentName"], status_of(context, deployment)
    summary = {
        "customModelDeploymentArn": deployment.arn,
        "customModelDeploymentName": name,
        "modelArn": model_served(context, deployment),
        "createdAt": moment(deployment.created_at),
        "status": status,
        "lastUpdatedAt": moment(deployment.updated_at or deployment.created_at),
    }
    return Row(deployment.arn, name, deployment.created_at, status, summary)


def update(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Make a deployment serve another custom model."""
    customization, _ = custom_models.find(context, request["modelArn"])
    with context.home.rows.transaction():
        deployment = find(context, request["customModelDeploymentIdentifier"])
        if not context.has_settled(deployment):
            raise invalid("The deployment is being created or updated: wait until that is over.")
        change = {"model_arn": customization.model_arn, "model_before": deployment.model_arn, "updated_at": time.time()}
        context.home.bedrock.change_deployment(deployment.model_copy(update=change))
    return {"customModelDeploymentArn": deployment.arn}


def delete(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a deployment."""
    context.home.bedrock.remove_deployment(find(context, request["customModelDeploymentIdentifier"]))
    return {}
