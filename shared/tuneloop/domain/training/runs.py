"""Training runs: one attempt at a provider to train one export, and the moves it may make.

    requested -> awaiting_confirmation? -> submitting -> validating_files -> queued -> running -> succeeded
                                                                                               -> failed | cancelled

A run's id is derived from everything that defines the run, so asking for it twice makes one run. Provider's reports are
merged into a run here: a status that we don't know is stored as it is in `provider_status` and moves nothing; a job
that has succeeded and names no model yet is waited for; a job that the provider doesn't know fails its run, after a
second look.

A provider's events report a run's progress: steps, losses, overfitting. A heartbeat is a new status, step, loss or
number of trained tokens. A run is stuck after two hours without a heartbeat, or after twice the longest time that its
estimate gives for training, if that is longer; the next heartbeat ends that.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product
from typing import Any

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.ids import Name, derived_id
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.training.jobs import JobOrigin, OtherJob, ProviderJob, RunError, RunEvent, TrainingMethod


class RunStatus(StrEnum):
    """Where a training run stands."""

    REQUESTED = "requested"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    SUBMITTING = "submitting"
    VALIDATING_FILES = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
SUBMITTABLE = frozenset({RunStatus.REQUESTED, RunStatus.SUBMITTING})
AT_PROVIDER = frozenset({RunStatus.VALIDATING_FILES, RunStatus.QUEUED, RunStatus.RUNNING})
# A provider's list may lag behind its create: a job counts as missing only after two looks this far apart.
MISSED_AFTER = timedelta(minutes=1)
WAITING_FOR_MODEL = "The trained model's name: the provider says that the job has succeeded, and names no model."
HEARTBEAT_FIELDS = ("status", "provider_status", "step", "total_steps", "train_loss", "valid_loss", "trained_tokens")
# Jobs without an estimate get two hours: providers queue for long, and a false alarm teaches people to ignore it.
SHORTEST_SILENCE = timedelta(hours=2)
# A loss wobbles from epoch to epoch. Only a rise of more than 10%, and of more than 0.02, counts as overfitting: losses
# that go up and down by 4% around what they are can't reach that.
LEAST_RELATIVE_RISE = 1.10
LEAST_RISE = 0.02
FEWEST_EPOCHS = 2  # one loss can't have risen
LONG_AGO = datetime.min.replace(tzinfo=UTC)  # sorts events without a time before all others
MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.REQUESTED: frozenset(
        {RunStatus.AWAITING_CONFIRMATION, RunStatus.SUBMITTING, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.AWAITING_CONFIRMATION: frozenset({RunStatus.REQUESTED, RunStatus.CANCELLED}),
    RunStatus.SUBMITTING: AT_PROVIDER | TERMINAL,
    RunStatus.VALIDATING_FILES: frozenset({RunStatus.QUEUED, RunStatus.RUNNING}) | TERMINAL,
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING}) | TERMINAL,
    RunStatus.RUNNING: frozenset({RunStatus.QUEUED}) | TERMINAL,
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}


class Overfitting(BaseModel):
    """The epoch with the best validation loss, counted from 1, that loss, and the one at the end, which is worse."""

    best_epoch: int
    best_valid_loss: float
    final_valid_loss: float


class TrainingRun(BaseModel):
    """A training run as its user reads it; costs in USD, null while unknown.

    `base_model` is the dated name where the provider dates its models, `asked_base_model` the name that was asked for,
    where it is another one. `waiting_for` says what the run waits for, `waiting_since` since when; `checked_at` is when
    its provider was last asked. `last_heard` describes the last heartbeat, at `last_heard_at`; `stuck_since` is set
    while that is too long ago. `other_jobs` were created by accident; `notes` say what else its user should know.
    """

    id: Name
    provider_job_id: str | None = None
    provider: str
    model: Name
    base_model: str
    asked_base_model: str | None = None
    method: TrainingMethod = TrainingMethod.SUPERVISED
    hyperparameters: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    dataset: Name
    export: Name
    validation_dataset: Name | None = None
    validation_export: Name | None = None
    seed: int | None = None
    attempt: int = 1
    status: RunStatus = RunStatus.REQUESTED
    provider_status: str | None = None
    step: int | None = None
    total_steps: int | None = None
    progress: float = 0.0
    train_loss: float | None = None
    valid_loss: float | None = None
    estimated_finish: datetime | None = None
    fine_tuned_model: str | None = None
    version: int | None = None
    trained_tokens: int | None = None
    training_cost_usd: Usd | None = None
    estimated_cost_usd: Usd | None = None
    estimated_evaluation_usd: Usd | None = None
    estimated_minutes: int | None = None
    waiting_for: str | None = None
    waiting_since: datetime | None = None
    cancel_requested_at: datetime | None = None
    checked_at: datetime | None = None
    last_heard_at: datetime | None = None
    last_heard: str | None = None
    stuck_since: datetime | None = None
    examples: int | None = None
    overfitting: Overfitting | None = None
    other_jobs: list[OtherJob] = []
    notes: list[str] = []
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: RunError | None = None

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended yet."""
        return self.status not in TERMINAL


class ControlledRun(TrainingRun):
    """A run with what job control stores beside what users read.

    `lease` is the right of the worker that submits the run; `create_sent_at` is when the job's create was sent,
    `missed_at` when a look first found no job. Before `not_before` the provider is left alone. `uploaded` are the
    provider's ids of the run's files; their import is waited for since `importing_since`. The run validates on
    `validation_revision` where another dataset validates it, and trains a model that isn't its dataset's where
    `model_is_named`. Costs up to `max_usd` were confirmed when the run was asked for. `reserved_usd` is what the
    spending of `reserved_month` (YYYY-MM) holds for the run until it ends.
    """

    tenant: Name
    revision: int
    validation_revision: int | None = None
    model_is_named: bool = False
    max_usd: Usd | None = None
    confirmed: bool = False
    lease: Lease | None = None
    create_sent_at: datetime | None = None
    missed_at: datetime | None = None
    not_before: datetime | None = None
    uploaded: dict[Split, str] = {}
    importing_since: datetime | None = None
    reserved_usd: Usd | None = None
    reserved_month: str | None = None
    epoch_losses: dict[str, float] = {}
    seq: int = 0

    @property
    def id_extras(self) -> tuple[object, ...]:
        """The parts of the run's id that not every run has: validation export and seed, if either was asked for.

        Runs had ids before there were these two, and a run without them must keep the id that it had then.
        """
        extras = self.validation_export, self.seed
        return () if extras == (None, None) else extras

    @property
    def has_no_job(self) -> bool:
        """Whether no create was ever sent, so that the run can't have a job."""
        return self.provider_job_id is None and self.create_sent_at is None

    def is_missed_for_long(self, now: datetime) -> bool:
        """Whether a look at the provider, at least MISSED_AFTER ago, found no job of the run."""
        return self.missed_at is not None and now - self.missed_at >= MISSED_AFTER

    def with_status(self, to: RunStatus, **changes: Any) -> "ControlledRun":
        """The run in another status, with other changes; Conflict where MOVES has no such move."""
        if to != self.status and to not in MOVES[self.status]:
            allowed = ", ".join(sorted(MOVES[self.status])) or "nothing: it has ended"
            raise Conflict(f"A run that is {self.status} can't become {to}; it can become {allowed}.")
        waits = {"waiting_for": None, "waiting_since": None} if to in TERMINAL else {}
        return self.model_copy(update={**waits, **changes, "status": to})

    def with_cancellation(self, now: datetime) -> "ControlledRun":
        """The run ended as cancelled, at its user's wish."""
        asked = self.cancel_requested_at or now
        return self.with_status(RunStatus.CANCELLED, cancel_requested_at=asked, finished_at=now, lease=None)

    def with_note(self, note: str) -> "ControlledRun":
        """The run with a note; a note that the run has already isn't added again."""
        return self if note in self.notes else self.model_copy(update={"notes": [*self.notes, note]})

    def with_wait(self, what: str, now: datetime, **changes: Any) -> "ControlledRun":
        """The run waiting for `what`, since `now` unless the run was waiting already."""
        since = self.waiting_since if self.waiting_for else now
        return self.model_copy(update={**changes, "waiting_for": what, "waiting_since": since or now})


def run_id(
    tenant: str,
    model: str,
    export: str,
    provider: str,
    base_model: str,
    hyperparameters: dict[str, Any],
    attempt: int,
    method: TrainingMethod = TrainingMethod.SUPERVISED,
    id_extras: tuple[object, ...] = (),
) -> str:
    """The id of an attempt at a run: a hash of everything that defines the run, and the attempt's number."""
    chosen = json.dumps(hyperparameters, sort_keys=True)
    return derived_id("run", tenant, model, export, provider, base_model, method, chosen, attempt, *id_extras)


def attempt_id(run: ControlledRun, attempt: int) -> str:
    """The id of another attempt at what a run trains, from the same base model's name and method as the run's own id.

    Since the id was made, the run's row may have got a dated name or another method, so all pairs of them are tried
    until one gives the run's own id.
    """
    names = [run.base_model, *filter(None, [run.asked_base_model])]

    def by(base_model: str, method: TrainingMethod, number: int) -> str:
        """The id of an attempt at the run with this base model's name and this method."""
        of = run.tenant, run.model, run.export, run.provider, base_model
        return run_id(*of, run.hyperparameters, number, method, run.id_extras)

    pairs = product(names, [run.method, *TrainingMethod])
    matches = ((base, method) for base, method in pairs if by(base, method, run.attempt) == run.id)
    base, method = next(matches, (run.base_model, run.method))
    return by(base, method, attempt)


def origin_of(run: ControlledRun, stage: str) -> JobOrigin:
    """What a run's job carries at its provider, by which the run can be made again if its row is lost."""
    return JobOrigin(
        stage=stage,
        tenant=run.tenant,
        run=run.id,
        model=run.model,
        dataset=run.dataset,
        export=run.export,
        revision=run.revision,
        attempt=run.attempt,
    )


def merge_job(run: ControlledRun, job: ProviderJob, now: datetime) -> ControlledRun:
    """The run with its provider's report of its job; a status that would move the run backwards moves nothing."""
    reported = RunStatus(job.status) if job.status in set(RunStatus) else run.status
    trained_model = job.fine_tuned_model or run.fine_tuned_model
    is_nameless = reported == RunStatus.SUCCEEDED and not trained_model and run.is_open
    reported = run.status if is_nameless else reported
    status = reported if reported == run.status or reported in MOVES[run.status] else run.status
    seen_at = min(now, job.finished_at or now)
    started = run.started_at or (seen_at if status in (RunStatus.RUNNING, RunStatus.SUCCEEDED) else None)
    merged = run.model_copy(
        update={
            "status": status,
            "provider_job_id": job.id,
            "provider_status": job.status,
            "fine_tuned_model": trained_model,
            "trained_tokens": job.trained_tokens if job.trained_tokens is not None else run.trained_tokens,
            "estimated_finish": job.estimated_finish or run.estimated_finish,
            "error": (job.error or run.error) if status in TERMINAL else run.error,
            "started_at": started,
            "finished_at": (run.finished_at or job.finished_at or now) if status in TERMINAL else None,
            "progress": 1.0 if status == RunStatus.SUCCEEDED else run.progress,
            "checked_at": now,
            "missed_at": None,
            "waiting_for": run.waiting_for if is_nameless else None,
            "waiting_since": run.waiting_since if is_nameless else None,
            "lease": None if status in AT_PROVIDER | TERMINAL else run.lease,
        }
    )
    return merged.with_wait(WAITING_FOR_MODEL, now) if is_nameless else merged


def adopt_job(run: ControlledRun, job: ProviderJob, now: datetime) -> ControlledRun:
    """The run with its job, as one under way even if the job has ended.

    The end is stored by the next look, together with the model and the costs that belong to it.
    """
    under_way = job.status if job.status in AT_PROVIDER else RunStatus.VALIDATING_FILES
    adopted = merge_job(run, job.model_copy(update={"status": under_way}), now)
    return adopted.model_copy(update={"provider_status": job.status})


def miss_job(run: ControlledRun, now: datetime) -> ControlledRun:
    """The run after a look in which the provider didn't know the job; the second one, a minute later, fails the run."""
    if run.is_missed_for_long(now):
        message = f"The provider knows no job {run.provider_job_id}, which it gave us for this run."
        lost = RunError(code="job_not_found", message=message)
        return run.with_status(RunStatus.FAILED, error=lost, finished_at=now, checked_at=now)
    waiting = "Another look: the provider doesn't know this run's job."
    return run.with_wait(waiting, now, missed_at=run.missed_at or now, checked_at=now)


def merge_events(run: ControlledRun, events: list[RunEvent]) -> ControlledRun:
    """The run with its latest step, losses and progress (0-1) from the provider's events, in any order."""
    latest: dict[str, Any] = {}
    for event in sorted(events, key=lambda event: (event.step or 0, event.at or LONG_AGO)):
        for name in ("step", "total_steps", "train_loss", "valid_loss"):
            if (value := getattr(event, name)) is not None:
                latest[name] = value
    if run.is_open and latest.get("step") and latest.get("total_steps"):
        latest["progress"] = min(1.0, latest["step"] / latest["total_steps"])
    return run.model_copy(update=latest)


def with_heartbeat(before: ControlledRun, after: ControlledRun, now: datetime) -> ControlledRun:
    """The run `after` a report, and if that was a heartbeat with its time and description, and no longer stuck."""
    if all(getattr(before, name) == getattr(after, name) for name in HEARTBEAT_FIELDS):
        return after
    return after.model_copy(update={"last_heard_at": now, "last_heard": _describe(after), "stuck_since": None})


def is_silent(run: ControlledRun, now: datetime) -> bool:
    """Whether a run that is at its provider has had no heartbeat for two hours, or twice its estimated minutes."""
    if run.status not in AT_PROVIDER:
        return False
    twice = timedelta(minutes=2 * (run.estimated_minutes or 0))
    last_heartbeat = run.last_heard_at or run.started_at or run.created_at
    return now - last_heartbeat >= max(SHORTEST_SILENCE, twice)


def with_epoch_losses(run: ControlledRun, events: list[RunEvent], epochs: int | None) -> ControlledRun:
    """The run with the validation losses of its epochs; once it has succeeded, also whether it overfitted."""
    chosen = run.hyperparameters.get("n_epochs")
    reported = epoch_losses(events, epochs or (chosen if isinstance(chosen, int) else None))
    losses = {**run.epoch_losses, **{str(epoch): loss for epoch, loss in reported.items()}}
    overfit = overfitting({int(epoch): loss for epoch, loss in losses.items()})
    is_over = run.status == RunStatus.SUCCEEDED
    return run.model_copy(update={"epoch_losses": losses, "overfitting": overfit if is_over else None})


def epoch_losses(events: Iterable[RunEvent], epochs: int | None) -> dict[int, float]:
    """The last validation loss of each epoch (from 1) in a job's events; empty where the epochs aren't known."""
    last: dict[int, tuple[int, float]] = {}
    for event in events:
        if epochs is None or event.valid_loss is None or not event.step or not event.total_steps:
            continue
        epoch = min(epochs, math.ceil(epochs * event.step / event.total_steps))
        if epoch not in last or event.step >= last[epoch][0]:
            last[epoch] = event.step, event.valid_loss
    return {epoch: loss for epoch, (_, loss) in sorted(last.items())}


def overfitting(losses: Mapping[int, float]) -> Overfitting | None:
    """The overfitting that the validation losses by epoch show: a loss that fell and then clearly rose; else None."""
    if len(losses) < FEWEST_EPOCHS:
        return None
    best = min(losses, key=lambda epoch: (losses[epoch], epoch))
    lowest, final = losses[best], losses[max(losses)]
    if final <= lowest * LEAST_RELATIVE_RISE or final - lowest <= LEAST_RISE:
        return None
    return Overfitting(best_epoch=best, best_valid_loss=lowest, final_valid_loss=final)


def _describe(run: ControlledRun) -> str:
    words: list[str] = [run.provider_status or run.status.value]
    if run.step is not None:
        words.append(f"step {run.step}" + (f" of {run.total_steps}" if run.total_steps else ""))
    words += [f"train loss {run.train_loss:.4g}"] if run.train_loss is not None else []
    words += [f"validation loss {run.valid_loss:.4g}"] if run.valid_loss is not None else []
    words += [f"{run.trained_tokens:,} trained tokens"] if run.trained_tokens is not None else []
    return ", ".join(words)
