"""Requesting a run: one row per attempt, under an id made from everything that defines it."""

from datetime import datetime
from typing import Any

from tuneloop.domain.datasets import Dataset
from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.events import TrainingRunRequested
from tuneloop.domain.exports import export_id
from tuneloop.domain.training import ControlledRun, RunStatus, run_id
from tuneloop.store.runs import Runs


def request_run(
    dataset: Dataset,
    *,
    provider: str,
    runs: Runs,
    now: datetime,
    revision: int | None = None,
    base_model: str | None = None,
    hyperparameters: dict[str, Any] | None = None,
    again: bool = False,
) -> ControlledRun:
    """The run of a dataset's revision (the latest by default); asking again gives the same run.

    After a failed or cancelled attempt the next one is made only with `again`.
    """
    frozen = revision or dataset.revision
    if not frozen:
        raise Conflict(f"Dataset {dataset.id} has no examples yet.", code="empty_dataset")
    export = export_id(dataset.tenant, dataset.id, frozen, dataset.policy_at(frozen))
    base, chosen = base_model or dataset.base_model, hyperparameters or {}
    attempt = 0
    while True:
        attempt += 1
        identity = run_id(dataset.tenant, dataset.model, export, provider, base, chosen, attempt)
        found = runs.find(dataset.tenant, identity)
        if found and (found.is_open or found.status == RunStatus.SUCCEEDED or not again):
            return found
        if found is None:
            break
    run = ControlledRun(
        id=identity,
        tenant=dataset.tenant,
        provider=provider,
        model=dataset.model,
        base_model=base,
        dataset=dataset.id,
        export=export,
        revision=frozen,
        attempt=attempt,
        hyperparameters=chosen,
        created_at=now,
    )
    try:
        return runs.save(run, event=requested(run), now=now)
    except Stale:  # asked for by somebody else at the same time
        return runs.get(run.tenant, run.id)


def requested(run: ControlledRun) -> TrainingRunRequested:
    """The event that sets a run in motion."""
    return TrainingRunRequested(
        tenant=run.tenant, run=run.id, model=run.model, dataset=run.dataset, export=run.export, revision=run.revision
    )


def confirm(run: ControlledRun, *, runs: Runs, now: datetime) -> ControlledRun:
    """Let a run that awaits confirmation spend its estimate; one that is on its way already stays as it is."""
    if run.confirmed:
        return run
    if run.status != RunStatus.AWAITING_CONFIRMATION:
        raise Conflict(f"The run is {run.status}; only one that awaits confirmation can be confirmed.", param="run")
    confirmed = run.moved(RunStatus.REQUESTED, confirmed=True, waiting_for=None, waiting_since=None)
    return runs.save(confirmed, event=requested(confirmed), now=now)
