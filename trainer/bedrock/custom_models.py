"""The lists of base models and of custom models; a custom model is what a customization job made."""

from datetime import UTC, datetime
from typing import Any

from trainer.bedrock.arns import account_in, base_arn
from trainer.bedrock.base_models import BEDROCK_BASE_MODELS, BedrockBaseModel
from trainer.bedrock.errors import conflict, not_found
from trainer.bedrock.jobs import FINE_TUNING, get, model_id_of, validators
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import RequestContext
from trainer.storage.bedrock import Customization

PROVIDER = "Tuneloop"


def list_bases(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the base models that match the request's filters."""
    matches = (
        request.get("byCustomizationType", FINE_TUNING) == FINE_TUNING
        and request.get("byOutputModality", "TEXT") == "TEXT"
        and request.get("byInferenceType", "ON_DEMAND") == "ON_DEMAND"
        and request.get("byProvider", PROVIDER).lower() == PROVIDER.lower()
    )
    return {"modelSummaries": [_summary(context, base) for base in BEDROCK_BASE_MODELS] if matches else []}


def _summary(context: RequestContext, base: BedrockBaseModel) -> dict[str, Any]:
    shutdown_date = context.trainer.options.shutdown_dates.get(base.id)
    lifecycle: dict[str, Any] = {"status": "LEGACY" if shutdown_date else "ACTIVE"}
    if shutdown_date:
        lifecycle["endOfLifeTime"] = datetime.fromisoformat(shutdown_date).replace(tzinfo=UTC)
    return {
        "modelArn": base_arn(context.region, base.id),
        "modelId": base.id,
        "modelName": base.name,
        "providerName": PROVIDER,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [FINE_TUNING],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": lifecycle,
    }


def find(context: RequestContext, identifier: str) -> tuple[Customization, str]:
    """Return the custom model with this name or ARN: the job that made it, and the trainer's id of the model."""
    for customization in context.customizations():
        if identifier in (customization.model_arn, customization.request["customModelName"]):
            model_id = model_id_of(context, customization)
            if model_id:
                return customization, model_id
    raise not_found("custom model")


def get_model(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Describe a custom model, in the shape of GetCustomModel."""
    customization, _ = find(context, request["modelIdentifier"])
    job = get(context, {"jobIdentifier": customization.arn})
    identity = ("jobArn", "jobName", "baseModelArn", "customizationType", "hyperParameters")
    data = ("trainingMetrics", "trainingDataConfig", "outputDataConfig", "validationMetrics")
    description = {name: job[name] for name in (*identity, *data) if name in job}
    if validators(customization.request):
        description["validationDataConfig"] = job["validationDataConfig"]
    return description | {
        "modelArn": customization.model_arn,
        "modelName": customization.request["customModelName"],
        "creationTime": job["endTime"],
        "modelStatus": "Active",
    }


def list_models(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's custom models, newest first unless the request sorts them otherwise."""
    base = request.get("baseModelArnEquals") or request.get("foundationModelArnEquals")
    rows = (
        _row(context, customization)
        for customization in context.customizations()
        if model_id_of(context, customization)
    )
    return page_of((row for row in rows if base in (None, row.summary["baseModelArn"])), request, "modelSummaries")


def _row(context: RequestContext, customization: Customization) -> Row:
    name = customization.request["customModelName"]
    summary = {
        "modelArn": customization.model_arn,
        "modelName": name,
        "creationTime": moment(customization.created_at),
        "baseModelArn": base_arn(context.region, customization.base_id),
        "baseModelName": customization.base_id.partition(":")[0],
        "customizationType": FINE_TUNING,
        "ownerAccountId": account_in(customization.arn),
        "modelStatus": "Active",
    }
    return Row(customization.model_arn, name, customization.created_at, "Active", summary)


def delete_model(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a custom model; ConflictException while a deployment serves it."""
    customization, model_id = find(context, request["modelIdentifier"])
    if any(customization.model_arn in context.models_of(deployment) for deployment in context.deployments()):
        raise conflict("A deployment serves this model: delete the deployment first.")
    context.home.models.remove(model_id)
    context.trainer.model_cache.forget(model_id)
    return {}
