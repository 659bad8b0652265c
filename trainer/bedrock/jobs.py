"""Model customization jobs: create (once for each token), look at, list and stop."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from trainer.bedrock import s3
from trainer.bedrock.arns import account_in, base_arn, job_arn, model_arn, new_id
from trainer.bedrock.base_models import Base, base_named
from trainer.bedrock.errors import conflict, invalid, not_found
from trainer.bedrock.job_status import losses, phases, status_of
from trainer.bedrock.pages import Row, moment, page_of
from trainer.bedrock.request_context import Asking
from trainer.storage.bedrock import Customization
from trainer.storage.models import BASE_MODELS
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES, FineTuningJob

FINE_TUNING = "FINE_TUNING"
_NOT_HERE = ("customModelKmsKeyId", "vpcConfig", "customizationConfig")


def create(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Begin a job; asking again with the same token gives the same job."""
    before = _asked_before(asking, request)
    if before:
        return {"jobArn": before.arn}
    base = _base_for(asking, request)
    customization = _customization(asking, request, base)
    job = FineTuningJob(
        id=customization.engine_job_id,
        model=BASE_MODELS[0].id,
        status="validating_files",
        created_at=int(customization.created_at),
        training_file=f"{customization.engine_job_id}-training",
        validation_file=f"{customization.engine_job_id}-validation" if customization.validation_uris else None,
        hyperparameters=base.for_the_engine(customization.hyperparameters),
        seed=secrets.randbelow(2**31),
    )
    s3.check_access(customization)
    with asking.home.rows.transaction():
        before = _asked_before(asking, request)
        if before is None:
            _check_names(asking, request)
            asking.home.bedrock.add_customization(customization)
            asking.home.jobs.add(job)
    asking.trainer.scheduler.look_again()
    return {"jobArn": (before or customization).arn}


def _asked_before(asking: Asking, request: Mapping[str, Any]) -> Customization | None:
    """Return the job that this token has made; refuse a token that made another one."""
    token = request.get("clientRequestToken")
    for one in asking.customizations():
        if token is not None and one.request.get("clientRequestToken") == token:
            if one.request != request:
                raise conflict("The clientRequestToken was used before, with other parameters.")
            return one
    return None


def _base_for(asking: Asking, request: Mapping[str, Any]) -> Base:
    base = base_named(request["baseModelIdentifier"], asking.region)
    if base is None:
        raise invalid("The baseModelIdentifier names no base model that can be customized here.")
    if request.get("customizationType", FINE_TUNING) != FINE_TUNING:
        raise invalid(f"{base.id} can be customized by {FINE_TUNING} only.")
    if not request["trainingDataConfig"].get("s3Uri"):
        raise invalid("trainingDataConfig.s3Uri is missing: this server trains on files in S3.")
    if len(validators(request)) > 1:
        raise invalid("validationDataConfig.validators may hold one validator.")
    if unknown := [name for name in _NOT_HERE if name in request]:
        raise invalid(f"This server has no use for {', '.join(unknown)}.")
    return base


def _check_names(asking: Asking, request: Mapping[str, Any]) -> None:
    for one in asking.customizations():
        if one.request["jobName"] == request["jobName"]:
            raise conflict("The jobName is in use.")
        job = asking.home.jobs.get(one.engine_job_id)
        is_open = job is not None and job.status in OPEN_STATUSES
        if one.request["customModelName"] == request["customModelName"] and (is_open or left_model(asking, one)):
            raise conflict("The customModelName is in use.")


def _customization(asking: Asking, request: dict[str, Any], base: Base) -> Customization:
    job_id, account = new_id(), account_in(request["roleArn"])
    if not account:
        raise invalid("roleArn names no account.")
    return Customization(
        id=job_id,
        arn=job_arn(asking.region, account, base.id, job_id),
        model_arn=model_arn(asking.region, account, base.id, new_id()),
        base_id=base.id,
        request=request,
        hyperparameters=base.settled(request.get("hyperParameters", {})),
        created_at=round(time.time(), 3),
    )


def validators(request: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return where a job's validation data is."""
    return list(request.get("validationDataConfig", {}).get("validators", ()))


def left_model(asking: Asking, customization: Customization) -> str | None:
    """Return the trainer's id of the model that a job left, None where there is none or it was deleted."""
    job = asking.home.jobs.get(customization.engine_job_id)
    model_id = job.fine_tuned_model if job else None
    return model_id if model_id and asking.home.models.get(model_id) else None


def find(asking: Asking, identifier: str) -> tuple[Customization, FineTuningJob]:
    """Return the job with this name or ARN."""
    for one in asking.customizations():
        if identifier in (one.arn, one.request["jobName"], one.id):
            job = asking.home.jobs.get(one.engine_job_id)
            if job:
                return one, job
    raise not_found("model customization job")


def get(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """Say everything about one job."""
    one, job = find(asking, request["jobIdentifier"])
    asked = one.request
    found: dict[str, Any] = {
        "jobArn": one.arn,
        "jobName": asked["jobName"],
        "outputModelName": asked["customModelName"],
        "roleArn": asked["roleArn"],
        "baseModelArn": base_arn(asking.region, one.base_id),
        "customizationType": FINE_TUNING,
        "hyperParameters": one.hyperparameters,
        "trainingDataConfig": asked["trainingDataConfig"],
        "validationDataConfig": {"validators": validators(asked)},
        "outputDataConfig": asked["outputDataConfig"],
        **_times(asking, one, job),
        **losses(asking.home, job),
    }
    if token := asked.get("clientRequestToken"):
        found["clientRequestToken"] = token
    if job.status == "succeeded":
        found["outputModelArn"] = one.model_arn
    if job.error:
        found["failureMessage"] = job.error.message[:2048]
    return found


def _times(asking: Asking, one: Customization, job: FineTuningJob) -> dict[str, Any]:
    """Say where a job is and since when."""
    newest = asking.home.jobs.events(job.id, limit=1)
    changed = max([one.created_at, one.stopped_at or 0, *(event.created_at for event in newest)])
    times: dict[str, Any] = {
        "status": status_of(one, job, settle_s=asking.settle_s, now=time.time()),
        "statusDetails": phases(one, job),
        "creationTime": moment(one.created_at),
        "lastModifiedTime": moment(changed),
    }
    return times | ({"endTime": moment(max(job.finished_at, one.created_at))} if job.finished_at else {})


def list_jobs(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """List the region's jobs, newest first unless asked otherwise."""
    jobs = ((one, asking.home.jobs.get(one.engine_job_id)) for one in asking.customizations())
    rows = (_row(asking, one, job) for one, job in jobs if job)
    return page_of(rows, request, "modelCustomizationJobSummaries")


def _row(asking: Asking, one: Customization, job: FineTuningJob) -> Row:
    times = _times(asking, one, job)
    summary = {
        "jobArn": one.arn,
        "jobName": one.request["jobName"],
        "baseModelArn": base_arn(asking.region, one.base_id),
        "customModelName": one.request["customModelName"],
        "customizationType": FINE_TUNING,
        **times,
    }
    if job.status == "succeeded":
        summary["customModelArn"] = one.model_arn
    return Row(one.arn, one.request["jobName"], one.created_at, times["status"], summary)


def stop(asking: Asking, request: dict[str, Any]) -> dict[str, Any]:
    """End a job before its time."""
    one, job = find(asking, request["jobIdentifier"])
    with asking.home.rows.transaction():
        moved = asking.home.jobs.move(job.id, status="cancelled", finished_at=int(time.time()), estimated_finish=None)
        if moved:
            asking.home.jobs.log(job.id, "cancelled", "The job was stopped")
            asking.home.bedrock.change_customization(one.model_copy(update={"stopped_at": time.time()}))
    asking.trainer.scheduler.drop(job.id)
    if not moved and job.status != "cancelled":
        raise conflict("The job has ended already.")
    return {}
