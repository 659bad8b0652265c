"""Base models, and custom models: what customization jobs left, until it is deleted."""

from datetime import UTC, datetime
from typing import Any

from trainer.bedrock.arns import account_in, base_arn
from trainer.bedrock.base_models import BASES
from trainer.bedrock.errors import conflict, not_found
from trainer.bedrock.jobs import FINE_TUNING, get, left_model, validators
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import Asking
from trainer.storage.bedrock import Customization

PROVIDER = "Tuneloop"


def list_bases(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """List the base models that fit the request."""
    fits = (
        request.get("byCustomizationType", FINE_TUNING) == FINE_TUNING
        and request.get("byOutputModality", "TEXT") == "TEXT"
        and request.get("byInferenceType", "ON_DEMAND") == "ON_DEMAND"
        and request.get("byProvider", PROVIDER).lower() == PROVIDER.lower()
    )
    return {"modelSummaries": [_summary(asking, at) for at in range(len(BASES))] if fits else []}


def _summary(asking: Asking, at: int) -> dict[str, Any]:
    base = BASES[at]
    ends = asking.trainer.options.shutdown_dates.get(base.id)
    life: dict[str, Any] = {"status": "LEGACY" if ends else "ACTIVE"}
    if ends:
        life["endOfLifeTime"] = datetime.fromisoformat(ends).replace(tzinfo=UTC)
    return {
        "modelArn": base_arn(asking.region, base.id),
        "modelId": base.id,
        "modelName": base.name,
        "providerName": PROVIDER,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [FINE_TUNING],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": life,
    }


def find(asking: Asking, identifier: str) -> tuple[Customization, str]:
    """Return the custom model with this name or ARN: the job that left it, and the trainer's id of it."""
    for one in asking.customizations():
        if identifier in (one.model_arn, one.request["customModelName"]):
            model_id = left_model(asking, one)
            if model_id:
                return one, model_id
    raise not_found("custom model")


def get_model(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Say everything about one custom model."""
    one, _ = find(asking, request["modelIdentifier"])
    job = get(asking, {"jobIdentifier": one.arn})
    shared = ("jobArn", "jobName", "baseModelArn", "customizationType", "hyperParameters", "trainingMetrics")
    data = ("trainingDataConfig", "outputDataConfig", "validationMetrics")
    found = {name: job[name] for name in (*shared, *data) if name in job}
    if validators(one.request):
        found["validationDataConfig"] = job["validationDataConfig"]
    return found | {
        "modelArn": one.model_arn,
        "modelName": one.request["customModelName"],
        "creationTime": job["endTime"],
        "modelStatus": "Active",
    }


def list_models(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's custom models, newest first unless asked otherwise."""
    wanted = request.get("baseModelArnEquals") or request.get("foundationModelArnEquals")
    rows = (_row(asking, one) for one in asking.customizations() if left_model(asking, one))
    return page_of((row for row in rows if wanted in (None, row.summary["baseModelArn"])), request, "modelSummaries")


def _row(asking: Asking, one: Customization) -> Row:
    name = one.request["customModelName"]
    summary = {
        "modelArn": one.model_arn,
        "modelName": name,
        "creationTime": moment(one.created_at),
        "baseModelArn": base_arn(asking.region, one.base_id),
        "baseModelName": one.base_id.partition(":")[0],
        "customizationType": FINE_TUNING,
        "ownerAccountId": account_in(one.arn),
        "modelStatus": "Active",
    }
    return Row(one.model_arn, name, one.created_at, "Active", summary)


def delete_model(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a custom model that no deployment serves."""
    one, model_id = find(asking, request["modelIdentifier"])
    if any(one.model_arn in asking.models_of(deployed) for deployed in asking.deployments()):
        raise conflict("A deployment serves this model: delete the deployment first.")
    asking.home.models.remove(model_id)
    asking.trainer.serving.forget(model_id)
    return {}
