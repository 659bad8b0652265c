"""Requesting a run: one row per attempt, under an id made from everything that defines it."""

from datetime import datetime
from itertools import count
from typing import Any

from launch_finetune.run_options import NOTHING_MORE, RunOptions
from tuneloop.domain.core.errors import Conflict, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import TrainingRunRequested
from tuneloop.domain.exports.exports import Export, export_id
from tuneloop.domain.training.jobs import TrainingMethod
from tuneloop.domain.training.repeated_calls import AnsweredCall
from tuneloop.domain.training.runs import ControlledRun, RunStatus, run_id
from tuneloop.providers.catalog import dated_name
from tuneloop.store.repositories.runs import Runs


def request_run(
    dataset: Dataset,
    *,
    provider: str,
    runs: Runs,
    now: datetime,
    revision: int | None = None,
    export: Export | None = None,
    base_model: str | None = None,
    hyperparameters: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    particulars: RunOptions = NOTHING_MORE,
    method: TrainingMethod | None = None,
    again: bool = False,
    answering: AnsweredCall | None = None,
    dry_run: bool = False,
) -> ControlledRun:
    """The run of a dataset's revision (the latest by default) or of an export; asking again gives the same run.

    A name of a base model that moves and the dated one that it stands for are the same. After a failed or cancelled
    attempt the next one is made only with `again`. With `dry_run` the run is given as it would be, and nothing stored.
    `method` is what it will be trained by, where its export is frozen and says so.
    `answering` is the call that gets the run, stored beside it; Stale where it was answered by somebody else meanwhile.
    """
    frozen = export.revision if export else revision_of(dataset, revision)
    asked = base_model or dataset.base_model
    dated = dated_name(provider, asked)
    wanted = ControlledRun(
        id="run",
        tenant=dataset.tenant,
        provider=provider,
        model=dataset.model,
        base_model=dated,
        asked_base_model=asked if asked != dated else None,
        method=method_in_id(dataset, frozen),
        dataset=dataset.id,
        export=export.id if export else export_id(dataset.tenant, dataset.id, frozen, dataset.policy_at(frozen)),
        revision=frozen,
        hyperparameters=hyperparameters or {},
        metadata=metadata or {},
        created_at=now,
    )
    run = _attempt(particulars.of(wanted), runs, again=again)
    if not run.seq:
        run = run.model_copy(update={"method": method or expected_method(dataset, frozen)})
    return run if dry_run else store_requested(run, answering, runs=runs, now=now)


def store_requested(run: ControlledRun, answering: AnsweredCall | None, *, runs: Runs, now: datetime) -> ControlledRun:
    """Store that a run is what a call gets, and the run itself if it is new; gives it as stored.

    Where both were written by somebody else meanwhile, the run is given as it is; Stale where there is a call.
    """
    answer = answering.model_copy(update={"run": run.id}) if answering else None
    if run.seq:
        if answer:
            runs.answer(answer)
        return run
    try:
        return runs.save(run, event=requested(run), now=now, answering=answer)
    except Stale:  # asked for by somebody else at the same time
        if answer:
            raise
        return runs.get(run.tenant, run.id)


def _attempt(wanted: ControlledRun, runs: Runs, *, again: bool) -> ControlledRun:
    """The last stored attempt at what is wanted, or the next one, not stored yet, if there is none that will do."""
    of = (wanted.tenant, wanted.model, wanted.export, wanted.provider, wanted.base_model)
    last: ControlledRun | None = None
    for attempt in count(1):
        identity = run_id(*of, wanted.hyperparameters, attempt, wanted.method, wanted.particulars)
        found = runs.find(wanted.tenant, identity)
        if found and (found.is_open or found.status == RunStatus.SUCCEEDED):
            return found
        if found is None:
            break
        last = found
    if last and not again:
        return last
    return wanted.model_copy(update={"id": identity, "attempt": attempt})


def is_of(run: ControlledRun, dataset: Dataset, revision: int | None = None) -> bool:
    """Whether a run trains what a dataset's revision, the latest by default, is frozen as by now."""
    frozen = revision or dataset.revision
    return run.export == export_id(dataset.tenant, dataset.id, frozen, dataset.policy_at(frozen))


def revision_of(dataset: Dataset, revision: int | None) -> int:
    """A revision, the latest by default; Conflict where there is none yet."""
    if frozen := revision or dataset.revision:
        return frozen
    raise Conflict(f"Dataset {dataset.id} has no examples yet.", code="empty_dataset")


def method_in_id(dataset: Dataset, revision: int) -> TrainingMethod:
    """The training method by which a run's id is made: the policy's, supervised where it names none, whatever is known.

    Ids of runs that are stored were made so, and asking for one again has to find it.
    """
    kind = dataset.policy_at(revision).kind
    return TrainingMethod(kind.value) if kind else TrainingMethod.SUPERVISED


def expected_method(dataset: Dataset, revision: int | None) -> TrainingMethod:
    """The training method of a revision that isn't frozen yet: its policy's, else by what was collected."""
    kind = dataset.policy_at(revision or dataset.revision).kind
    if kind:
        return TrainingMethod(kind.value)
    return TrainingMethod.PREFERENCE if dataset.holds_pairs else TrainingMethod.SUPERVISED


def requested(run: ControlledRun) -> TrainingRunRequested:
    """The event that sets a run in motion."""
    return TrainingRunRequested(
        tenant=run.tenant,
        run=run.id,
        model=run.model,
        dataset=run.dataset,
        export=run.export,
        revision=run.revision,
        validation_dataset=run.validation_dataset,
        validation_revision=run.validation_revision,
    )


def confirm(run: ControlledRun, *, runs: Runs, now: datetime) -> ControlledRun:
    """Let a run that awaits confirmation spend its estimate; one that is on its way already stays as it is."""
    if run.confirmed:
        return run
    if run.status != RunStatus.AWAITING_CONFIRMATION:
        raise Conflict(f"The run is {run.status}; only one that awaits confirmation can be confirmed.", param="run")
    confirmed = run.moved(RunStatus.REQUESTED, confirmed=True, waiting_for=None, waiting_since=None)
    return runs.save(confirmed, event=requested(confirmed), now=now)
