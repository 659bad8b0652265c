"""Retrying: the next attempt at what a run was to train, with the same export, provider, base model and settings."""

from datetime import datetime

from launch_finetune.request import requested
from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.training import ControlledRun, RunStatus, attempt_id
from tuneloop.store.runs import Runs

DEFINING = (
    *("tenant", "provider", "model", "base_model", "asked_base_model", "method", "hyperparameters", "metadata", "seed"),
    *("dataset", "export", "revision", "validation_dataset", "validation_export", "validation_revision"),
    *("model_is_named", "max_usd"),
)


def retry(run: ControlledRun, *, force: bool = False, runs: Runs, now: datetime) -> ControlledRun:
    """The attempt after the last; asking twice gives the same one. Conflict while the run is open.

    After one that has succeeded there is another only with `force`.
    """
    if run.is_open:
        message = f"The run is {run.status}: cancel it first, or wait for its end."
        raise Conflict(message, param="run", code="run_open")
    last = run
    while (later := runs.find(run.tenant, attempt_id(run, last.attempt + 1))) is not None:
        last = later
    if last.is_open:
        return last
    if last.status == RunStatus.SUCCEEDED and not force:
        message = f"Attempt {last.attempt} has succeeded. Send `force` as true to train the same once more."
        raise Conflict(message, param="force", code="run_succeeded")
    attempt = _next(last, attempt_id(run, last.attempt + 1), now)
    try:
        return runs.save(attempt, event=requested(attempt), now=now)
    except Stale:  # asked for by somebody else at the same time
        return runs.get(attempt.tenant, attempt.id)


def _next(last: ControlledRun, identity: str, now: datetime) -> ControlledRun:
    defined = {name: getattr(last, name) for name in DEFINING}
    return ControlledRun(id=identity, attempt=last.attempt + 1, created_at=now, **defined)
