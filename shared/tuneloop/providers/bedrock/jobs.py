"""Bedrock's customization jobs in Tuneloop's types: their names, their status, and the steps that they report.

A job's name holds the stage and the run, so that a run's job is found by its name and no other job is taken for it.
Bedrock's message about a failed job may quote training data and is not passed on.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from tuneloop.domain.training.jobs import JobOrigin, ProviderJob, RunError, RunEvent
from tuneloop.domain.training.runs import RunStatus

RUN_ID = re.compile(r"run-[0-9a-f]{24}", re.ASCII)
IN_PROGRESS = "InProgress"
END_STATUSES = {"Completed": RunStatus.SUCCEEDED, "Failed": RunStatus.FAILED, "Stopped": RunStatus.CANCELLED}
# The phases of a job, the last one first: the first of these that has begun decides the status.
PHASES = {
    "trainingDetails": RunStatus.RUNNING,
    "dataProcessingDetails": RunStatus.QUEUED,
    "validationDetails": RunStatus.VALIDATING_FILES,
}
BEGUN_STATUSES = frozenset({IN_PROGRESS, "Completed"})
FAILURE = RunError(
    code="provider_error",
    message="Bedrock ended the job. Its own words may quote the data and are not kept; its console shows them.",
)
TRAINING_CSV = "training_artifacts/step_wise_training_metrics.csv"
VALIDATION_CSVS = (
    "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv",
    "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv",
)
# As many steps as a page of OpenAI's events has, so that both adapters return about equally many.
LATEST_STEPS = 100


def job_name(stage: str, run: str) -> str:
    """The name of a run's job, its model and its request: at most 63 letters, digits and single hyphens."""
    return re.sub(r"-+", "-", f"tuneloop-{stage}-{run}")


def run_in(name: str, stage: str) -> str | None:
    """The run whose job has this name; None for a job that this stage didn't create."""
    match = RUN_ID.search(name)
    return match[0] if match and name == job_name(stage, match[0]) else None


def tags_of(origin: JobOrigin) -> list[dict[str, str]]:
    """The tags of a job that name its run."""
    return [{"key": f"tuneloop:{name}", "value": str(value)} for name, value in origin.model_dump().items()]


def origin_in(tags: Iterable[Mapping[str, str]]) -> JobOrigin | None:
    """The origin of a job by its tags; None if they don't name one."""
    fields = {tag["key"].removeprefix("tuneloop:"): tag["value"] for tag in tags if tag["key"].startswith("tuneloop:")}
    try:
        return JobOrigin.model_validate(fields)
    except ValueError:
        return None


def status_in(fields: Mapping[str, Any]) -> str:
    """The run status of a job; Bedrock's own word if there is no such run status, as for `Stopping`."""
    status = str(fields["status"])
    if status != IN_PROGRESS:
        return END_STATUSES.get(status, status)
    phases = fields.get("statusDetails") or {}
    begun = (
        run_status for phase, run_status in PHASES.items() if (phases.get(phase) or {}).get("status") in BEGUN_STATUSES
    )
    return next(begun, RunStatus.VALIDATING_FILES)


def job_in(fields: Mapping[str, Any], stage: str) -> ProviderJob:
    """A job from a row of the list or from its own description; Bedrock reports no tokens."""
    status = status_in(fields)
    model = fields.get("outputModelArn") or fields.get("customModelArn")
    epochs = str((fields.get("hyperParameters") or {}).get("epochCount") or "")
    return ProviderJob(
        id=fields["jobArn"],
        status=status,
        fine_tuned_model=model if status == RunStatus.SUCCEEDED else None,
        created_at=fields.get("creationTime"),
        finished_at=fields.get("endTime"),
        error=FAILURE if status == RunStatus.FAILED else None,
        run=run_in(str(fields.get("jobName", "")), stage),
        base_model=str(fields.get("baseModelArn", "")).rpartition("/")[2] or None,
        training_file=(fields.get("trainingDataConfig") or {}).get("s3Uri"),
        n_epochs=int(epochs) if epochs.isdecimal() else None,
    )


def output_folder(fields: Mapping[str, Any]) -> str:
    """The folder to which a job writes its metrics: an S3 URI that ends in a slash."""
    number = str(fields["jobArn"]).rpartition("/")[2]
    return f"{fields['outputDataConfig']['s3Uri'].rstrip('/')}/model-customization-job-{number}/"


def events_in(job: Mapping[str, Any], training: str, validation: str, latest: int | None) -> list[RunEvent]:
    """The `latest` steps of a job (all for None), oldest first, from the CSV texts of its metrics."""
    steps = _column(training, "training_loss")
    last = max([step for step, _ in steps], default=0)
    at: datetime | None = job.get("endTime") or job.get("lastModifiedTime")
    events = [
        RunEvent(
            id=f"step-{step}",
            at=at,
            message=f"Step {step}/{last}: training loss {loss:.4f}",
            step=step,
            total_steps=last,
            train_loss=loss,
        )
        for step, loss in steps
    ]
    events += [
        RunEvent(id=f"validation-{step}", at=at, message=f"Validation loss {loss:.4f}", step=step, valid_loss=loss)
        for step, loss in _column(validation, "validation_loss")
    ]
    ordered = sorted(events, key=lambda event: event.step or 0)
    return ordered if latest is None else ordered[-latest:]


def _column(text: str, name: str) -> list[tuple[int, float]]:
    """A metric's values with their steps, in order; rows that can't be read are left out."""
    values = []
    for row in csv.DictReader(text.splitlines()):
        try:
            step, value = int(float(row["step_number"])), float(row[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if isfinite(value) and step >= 0:
            values.append((step, value))
    return sorted(values)
