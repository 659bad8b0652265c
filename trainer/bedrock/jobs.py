"""Model customization jobs: create (once per token), get, list and stop."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from trainer.bedrock import s3
from trainer.bedrock.arns import account_in, base_arn, job_arn, model_arn, new_id
from trainer.bedrock.base_models import BedrockBaseModel, base_named
from trainer.bedrock.errors import conflict, invalid, not_found
from trainer.bedrock.job_status import losses, phases, status_of
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import RequestContext
from trainer.storage.bedrock import Customization
from trainer.storage.models import BASE_MODELS
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES, FineTuningJob

FINE_TUNING = "FINE_TUNING"
# Parameters that change what a job of the real service does. They are refused, since ignoring them would hide that.
_UNSUPPORTED = ("customModelKmsKeyId", "vpcConfig", "customizationConfig")
_MESSAGE_CHARACTERS = 2048  # of a failure message, by Bedrock's service model


def create(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Create a job, or return the one that was created with this token."""
    earlier = _created_with_token(context, request)
    if earlier:
        return {"jobArn": earlier.arn}
    base = _base_for(context, request)
    customization = _customization(context, request, base)
    job = FineTuningJob(
        id=customization.engine_job_id,
        model=BASE_MODELS[0].id,
        status="validating_files",
        created_at=int(customization.created_at),
        training_file=f"{customization.engine_job_id}-training",
        validation_file=f"{customization.engine_job_id}-validation" if customization.validation_uris else None,
        hyperparameters=base.engine_hyperparameters(customization.hyperparameters),
        seed=secrets.randbelow(2**31),
    )
    s3.check_access(customization)
    with context.home.rows.transaction():
        earlier = _created_with_token(context, request)
        if earlier is None:
            _check_names(context, request)
            context.home.bedrock.add_customization(customization)
            context.home.jobs.add(job)
    context.trainer.scheduler.wake()
    return {"jobArn": (earlier or customization).arn}


def _created_with_token(context: RequestContext, request: Mapping[str, Any]) -> Customization | None:
    """Return the job created with this token, or None; refuse a token that was used with other parameters."""
    token = request.get("clientRequestToken")
    for customization in context.customizations():
        if token is not None and customization.request.get("clientRequestToken") == token:
            if customization.request != request:
                raise conflict("The clientRequestToken was used before, with other parameters.")
            return customization
    return None


def _base_for(context: RequestContext, request: Mapping[str, Any]) -> BedrockBaseModel:
    base = base_named(request["baseModelIdentifier"], context.region)
    if base is None:
        raise invalid("The baseModelIdentifier names no base model that can be customized here.")
    if request.get("customizationType", FINE_TUNING) != FINE_TUNING:
        raise invalid(f"{base.id} can be customized by {FINE_TUNING} only.")
    if not request["trainingDataConfig"].get("s3Uri"):
        raise invalid("trainingDataConfig.s3Uri is missing: this server trains on files in S3.")
    if len(validators(request)) > 1:
        raise invalid("validationDataConfig.validators may hold customization validator.")
    if unknown := [name for name in _UNSUPPORTED if name in request]:
        raise invalid(f"This server has no use for {', '.join(unknown)}.")
    return base


def _check_names(context: RequestContext, request: Mapping[str, Any]) -> None:
    for customization in context.customizations():
        if customization.request["jobName"] == request["jobName"]:
            raise conflict("The jobName is in use.")
        job = context.home.jobs.get(customization.engine_job_id)
        is_open = job is not None and job.status in OPEN_STATUSES
        if customization.request["customModelName"] == request["customModelName"] and (
            is_open or model_id_of(context, customization)
        ):
            raise conflict("The customModelName is in use.")


def _customization(context: RequestContext, request: dict[str, Any], base: BedrockBaseModel) -> Customization:
    job_id, account = new_id(), account_in(request["roleArn"])
    if not account:
        raise invalid("roleArn names no account.")
    return Customization(
        id=job_id,
        arn=job_arn(context.region, account, base.id, job_id),
        model_arn=model_arn(context.region, account, base.id, new_id()),
        base_id=base.id,
        request=request,
        hyperparameters=base.with_defaults(request.get("hyperParameters", {})),
        created_at=round(time.time(), 3),
    )


def validators(request: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the validators of a request: its validation data, each with the `s3Uri` of a file."""
    return list(request.get("validationDataConfig", {}).get("validators", ()))


def model_id_of(context: RequestContext, customization: Customization) -> str | None:
    """Return the trainer's id of the model that a job made; None if there is none yet or it was deleted."""
    job = context.home.jobs.get(customization.engine_job_id)
    model_id = job.fine_tuned_model if job else None
    return model_id if model_id and context.home.models.get(model_id) else None


def find(context: RequestContext, identifier: str) -> tuple[Customization, FineTuningJob]:
    """Return the job with this name, ARN or id; ResourceNotFoundException if there is none."""
    for customization in context.customizations():
        if identifier in (customization.arn, customization.request["jobName"], customization.id):
            job = context.home.jobs.get(customization.engine_job_id)
            if job:
                return customization, job
    raise not_found("model customization job")


def get(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Describe a job, in the shape of GetModelCustomizationJob."""
    customization, job = find(context, request["jobIdentifier"])
    requested = customization.request
    description: dict[str, Any] = {
        "jobArn": customization.arn,
        "jobName": requested["jobName"],
        "outputModelName": requested["customModelName"],
        "roleArn": requested["roleArn"],
        "baseModelArn": base_arn(context.region, customization.base_id),
        "customizationType": FINE_TUNING,
        "hyperParameters": customization.hyperparameters,
        "trainingDataConfig": requested["trainingDataConfig"],
        "validationDataConfig": {"validators": validators(requested)},
        "outputDataConfig": requested["outputDataConfig"],
        **_times(context, customization, job),
        **losses(context.home, job),
    }
    if token := requested.get("clientRequestToken"):
        description["clientRequestToken"] = token
    if job.status == "succeeded":
        description["outputModelArn"] = customization.model_arn
    if job.error:
        description["failureMessage"] = job.error.message[:_MESSAGE_CHARACTERS]
    return description


def _times(context: RequestContext, customization: Customization, job: FineTuningJob) -> dict[str, Any]:
    """Return a job's status, the status of its phases and its times, as descriptions and lists show them."""
    newest = context.home.jobs.events(job.id, limit=1)
    modified = max([customization.created_at, customization.stopped_at or 0, *(event.created_at for event in newest)])
    times: dict[str, Any] = {
        "status": status_of(customization, job, settle_s=context.settle_s, now=time.time()),
        "statusDetails": phases(customization, job),
        "creationTime": moment(customization.created_at),
        "lastModifiedTime": moment(modified),
    }
    return times | ({"endTime": moment(max(job.finished_at, customization.created_at))} if job.finished_at else {})


def list_jobs(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's jobs, newest first unless the request sorts them otherwise."""
    jobs = (
        (customization, context.home.jobs.get(customization.engine_job_id))
        for customization in context.customizations()
    )
    rows = (_row(context, customization, job) for customization, job in jobs if job)
    return page_of(rows, request, "modelCustomizationJobSummaries")


def _row(context: RequestContext, customization: Customization, job: FineTuningJob) -> Row:
    times = _times(context, customization, job)
    summary = {
        "jobArn": customization.arn,
        "jobName": customization.request["jobName"],
        "baseModelArn": base_arn(context.region, customization.base_id),
        "customModelName": customization.request["customModelName"],
        "customizationType": FINE_TUNING,
        **times,
    }
    if job.status == "succeeded":
        summary["customModelArn"] = customization.model_arn
    return Row(customization.arn, customization.request["jobName"], customization.created_at, times["status"], summary)


def stop(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Stop a job; ConflictException if it has ended."""
    customization, job = find(context, request["jobIdentifier"])
    with context.home.rows.transaction():
        stopped = context.home.jobs.move(
            job.id, status="cancelled", finished_at=int(time.time()), estimated_finish=None
        )
        if stopped:
            context.home.jobs.log(job.id, "cancelled", "The job was stopped")
            context.home.bedrock.change_customization(customization.model_copy(update={"stopped_at": time.time()}))
    context.trainer.scheduler.drop(job.id)
    if not stopped and job.status != "cancelled":
        raise conflict("The job has ended already.")
    return {}
