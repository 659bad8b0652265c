"""The progress of a customization job in Bedrock's words: its status, the status of each phase, and its losses."""

from typing import Any

from trainer.storage.bedrock import Customization
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, StepMetrics

IN_PROGRESS, COMPLETED, FAILED, STOPPING, STOPPED = "InProgress", "Completed", "Failed", "Stopping", "Stopped"
NOT_STARTED = "NotStarted"
_STATUSES = {"succeeded": COMPLETED, "failed": FAILED, "cancelled": STOPPED}
_PHASES = ("validationDetails", "dataProcessingDetails", "trainingDetails")
_PHASE_OF_STATUS = {"validating_files": 0, "queued": 1, "running": 2}


def status_of(customization: Customization, job: FineTuningJob, *, settle_s: float, now: float) -> str:
    """Return a job's status; a job that was stopped is `Stopping` for the first `settle_s` seconds."""
    if customization.stopped_at is not None and now < customization.stopped_at + settle_s:
        return STOPPING
    return _STATUSES.get(job.status, IN_PROGRESS)


def phases(customization: Customization, job: FineTuningJob) -> dict[str, dict[str, str]]:
    """Return the status of each phase: checking the files, waiting in the queue, and training."""
    if job.status == "succeeded":
        return {phase: {"status": COMPLETED} for phase in _PHASES}
    last = _last_phase(customization, job)
    state = {"failed": FAILED, "cancelled": STOPPED}.get(job.status, IN_PROGRESS)
    states = [COMPLETED] * last + [state] + [NOT_STARTED] * (len(_PHASES) - last - 1)
    return {phase: {"status": status} for phase, status in zip(_PHASES, states, strict=True)}


def _last_phase(customization: Customization, job: FineTuningJob) -> int:
    """Return the number of the phase that a job is in or ended in."""
    if job.status in _PHASE_OF_STATUS:
        return _PHASE_OF_STATUS[job.status]
    is_file_error = job.error is not None and (job.error.param or "").endswith("_file")
    return 0 if is_file_error or (job.error is None and customization.stopped_at is not None) else 2


def losses(home: Home, job: FineTuningJob) -> dict[str, Any]:
    """Return the final losses of a completed job; nothing for any other job."""
    if job.status != "succeeded":
        return {}
    metrics = reports(home, job)
    figures: dict[str, Any] = {"trainingMetrics": {"trainingLoss": metrics[-1].train_loss or 0.0}}
    if metrics[-1].full_valid_loss is not None:
        figures["validationMetrics"] = [{"validationLoss": metrics[-1].full_valid_loss}]
    return figures


def reports(home: Home, job: FineTuningJob) -> list[StepMetrics]:
    """Return the metrics that a job has reported, oldest first."""
    events = home.jobs.events(job.id)
    metrics = [StepMetrics.model_validate(event.data) for event in events if event.type == "metrics"]
    return sorted(metrics, key=lambda report: report.step)
