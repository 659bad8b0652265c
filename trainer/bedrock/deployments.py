"""Deployments of custom models for use on demand: create (once for each token), swap the model behind, list, delete.

A deployment is `Creating`, and a swap `Updating`, until the trainer's settling time is over; meanwhile a swapped
deployment goes on serving the model that it served before.
"""

import time
from collections.abc import Mapping
from typing import Any

from trainer.bedrock import custom_models
from trainer.bedrock.arns import account_in, deployment_arn, new_id
from trainer.bedrock.errors import invalid, not_found
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import Asking
from trainer.storage.bedrock import DeploymentRow

CREATING, ACTIVE = "Creating", "Active"


def create(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Begin a deployment; asking again with the same token gives the same one."""
    one, _ = custom_models.find(asking, request["modelArn"])
    deployment_id = new_id()
    made = DeploymentRow(
        id=deployment_id,
        arn=deployment_arn(asking.region, account_in(one.model_arn), deployment_id),
        model_arn=one.model_arn,
        request=request,
        created_at=round(time.time(), 3),
    )
    with asking.home.rows.transaction():
        before = _asked_before(asking, request)
        if before is None:
            asking.home.bedrock.add_deployment(made)
    return {"customModelDeploymentArn": (before or made).arn}


def _asked_before(asking: Asking, request: Mapping[str, Any]) -> DeploymentRow | None:
    """Return the deployment that this token has made; refuse a token or a name that another one has."""
    token = request.get("clientRequestToken")
    for one in asking.deployments():
        if token is not None and one.request.get("clientRequestToken") == token:
            if one.request != request:
                raise invalid("The clientRequestToken was used before, with other parameters.")
            return one
        if one.request["modelDeploymentName"] == request["modelDeploymentName"]:
            raise invalid("The modelDeploymentName is in use.")
    return None


def find(asking: Asking, identifier: str) -> DeploymentRow:
    """Return the deployment with this name or ARN."""
    for one in asking.deployments():
        if identifier in (one.arn, one.request["modelDeploymentName"]):
            return one
    raise not_found("custom model deployment")


def status_of(asking: Asking, one: DeploymentRow) -> str:
    """Return a deployment's status."""
    return ACTIVE if one.updated_at or asking.has_settled(one) else CREATING


def served_by(asking: Asking, one: DeploymentRow) -> str:
    """Return the ARN of the custom model that a deployment serves now."""
    return one.model_arn if one.model_before is None or asking.has_settled(one) else one.model_before


def get(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Say everything about one deployment."""
    one = find(asking, request["customModelDeploymentIdentifier"])
    found: dict[str, Any] = {
        "customModelDeploymentArn": one.arn,
        "modelDeploymentName": one.request["modelDeploymentName"],
        "modelArn": served_by(asking, one),
        "createdAt": moment(one.created_at),
        "status": status_of(asking, one),
        "lastUpdatedAt": moment(one.updated_at or one.created_at),
    }
    if "description" in one.request:
        found["description"] = one.request["description"]
    if one.updated_at:
        state = "UpdateCompleted" if asking.has_settled(one) else "Updating"
        found["updateDetails"] = {"modelArn": one.model_arn, "updateStatus": state}
    return found


def list_deployments(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's deployments, newest first unless asked otherwise."""
    wanted = request.get("modelArnEquals")
    rows = (_row(asking, one) for one in asking.deployments() if wanted in (None, served_by(asking, one)))
    return page_of(rows, request, "modelDeploymentSummaries")


def _row(asking: Asking, one: DeploymentRow) -> Row:
    name, status = one.request["modelDeploymentName"], status_of(asking, one)
    summary = {
        "customModelDeploymentArn": one.arn,
        "customModelDeploymentName": name,
        "modelArn": served_by(asking, one),
        "createdAt": moment(one.created_at),
        "status": status,
        "lastUpdatedAt": moment(one.updated_at or one.created_at),
    }
    return Row(one.arn, name, one.created_at, status, summary)


def update(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Put another custom model behind a deployment."""
    behind, _ = custom_models.find(asking, request["modelArn"])
    with asking.home.rows.transaction():
        one = find(asking, request["customModelDeploymentIdentifier"])
        if not asking.has_settled(one):
            raise invalid("The deployment is being created or updated: wait until that is over.")
        change = {"model_arn": behind.model_arn, "model_before": one.model_arn, "updated_at": time.time()}
        asking.home.bedrock.change_deployment(one.model_copy(update=change))
    return {"customModelDeploymentArn": one.arn}


def delete(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Take a deployment down."""
    asking.home.bedrock.remove_deployment(find(asking, request["customModelDeploymentIdentifier"]))
    return {}
