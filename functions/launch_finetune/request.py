"""Requests runs: a request is resolved and checked, and stored as one row per attempt, before anything is spent.

A run's id is made from everything that defines the run, so an equal request finds the row of the first one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from pydantic import BaseModel

from launch_finetune.checks import method_of, missing_in_recent_list, refusal_of, refusal_of_export
from tuneloop.domain.core.errors import Conflict, InvalidInput, NotFound, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import TrainingRunRequested
from tuneloop.domain.exports.exports import Export, export_id
from tuneloop.domain.training.jobs import RunError, TrainingMethod
from tuneloop.domain.training.repeated_calls import AnsweredCall
from tuneloop.domain.training.runs import ControlledRun, RunStatus, attempt_id, run_id
from tuneloop.providers.catalog import dated_name
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.runs import Runs

# The fields that a retry copies from its run: all that defines what is trained and where, and no state.
DEFINING_FIELDS = (
    *("tenant", "provider", "model", "base_model", "asked_base_model", "method", "hyperparameters", "metadata", "seed"),
    *("dataset", "export", "revision", "validation_dataset", "validation_export", "validation_revision"),
    *("model_is_named", "max_usd"),
)


class RunOptions(NamedTuple):
    """Optional settings of a run: target model, validation dataset, seed, pre-approved cost in USD.

    Up to a cost of `max_usd` a run needs no confirmation; `confirmed` is for one whose cost can't be compared with it.
    """

    model: str | None = None
    validation: Dataset | None = None
    seed: int | None = None
    max_usd: Decimal | None = None
    confirmed: bool = False

    def apply(self, run: ControlledRun) -> ControlledRun:
        """The run with these options."""
        changes: dict[str, object] = {"seed": self.seed, "max_usd": self.max_usd, "confirmed": self.confirmed}
        if self.model and self.model != run.model:
            changes |= {"model": self.model, "model_is_named": True}
        if dataset := self.validation:
            export = export_id_of(dataset, dataset.revision)
            changes |= {"validation_dataset": dataset.id, "validation_export": export}
            changes["validation_revision"] = dataset.revision
        return run.model_copy(update=changes)


class RunRequest(BaseModel):
    """A request for a run of a dataset; fields left out are as the dataset says, at its latest revision.

    `again` makes the next attempt where the last one failed or was cancelled; `answering` is the answer to the call,
    stored with the run. With `dry_run` nothing is stored, and a provider for which the stage has no key is refused too:
    a real run would wait for that key.
    """

    provider: str | None = None
    base_model: str | None = None
    hyperparameters: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    revision: int | None = None
    export: str | None = None
    suffix: str | None = None
    options: RunOptions = RunOptions()
    again: bool = True
    answering: AnsweredCall | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class RunRequests:
    """Requests for runs; those that the provider is known not to take are refused."""

    providers: Providers
    exports: Exports
    runs: Runs
    now: datetime

    def resolve(self, dataset: Dataset, request: RunRequest) -> ControlledRun:
        """The run of a request; an equal request gets the same run, or after a failure the next attempt.

        InvalidInput where the provider is known not to take it, Conflict where there is no such provider.
        """
        provider, export = self.check(dataset, request)
        return RunAttempts(self.runs, self.now).request(dataset, provider, request, export)

    def check(self, dataset: Dataset, request: RunRequest) -> tuple[str, Export | None]:
        """Check a request as `resolve` does, storing nothing; returns the provider's name, and the export if frozen."""
        default = dataset.provider or self.providers.default
        name = request.provider or default
        provider = self.providers.get(name)
        if request.base_model is None and name != default:
            message = f"base_model: name one of {name}'s; the dataset's own is of another provider."
            raise InvalidInput(message, param="base_model", code="missing")
        base_model = dated_name(name, request.base_model or dataset.base_model)
        export = self._frozen_export(dataset, request)
        method = method_of(export) if export else expected_method(dataset, request.revision)
        suffix = dataset.model if request.suffix is None else request.suffix
        refuse(refusal_of(provider, base_model, method, request.hyperparameters, suffix, self.now))
        refuse(refusal_of_export(export, provider.capabilities(base_model)) if export else None)
        lists = self.providers.lists
        refuse(missing_in_recent_list(provider, base_model, lists, self.now, needs_key=request.dry_run))
        return name, export

    def _frozen_export(self, dataset: Dataset, request: RunRequest) -> Export | None:
        """The export to train on, None if it isn't frozen yet; NotFound where a named export or revision is missing."""
        if request.export:
            return self.exports.get(dataset.tenant, dataset.id, request.export)
        revision = revision_of(dataset, request.revision)
        if revision > dataset.revision:
            raise NotFound(f"Dataset {dataset.id} has no revision {revision}.", param="revision")
        identity = export_id(dataset.tenant, dataset.id, revision, dataset.policy_at(revision))
        return self.exports.find(dataset.tenant, dataset.id, identity)


@dataclass(frozen=True)
class RunAttempts:
    """The attempts at runs, each a row; the last one is the answer to a request while it is open or has succeeded."""

    runs: Runs
    now: datetime

    def request(
        self, dataset: Dataset, provider: str, request: RunRequest, export: Export | None = None
    ) -> ControlledRun:
        """The run of a dataset's revision, or of a frozen export; an equal request gets the same run.

        A base model's alias and the dated name that it stands for are equal. Stale where the call that the run answers
        was answered by somebody else meanwhile.
        """
        revision = export.revision if export else revision_of(dataset, request.revision)
        base_model = request.base_model or dataset.base_model
        dated = dated_name(provider, base_model)
        new = ControlledRun(
            id="run",
            tenant=dataset.tenant,
            provider=provider,
            model=dataset.model,
            base_model=dated,
            asked_base_model=base_model if base_model != dated else None,
            method=method_in_id(dataset, revision),
            dataset=dataset.id,
            export=export.id if export else export_id_of(dataset, revision),
            revision=revision,
            hyperparameters=request.hyperparameters,
            metadata=request.metadata,
            created_at=self.now,
        )
        run = self._attempt(request.options.apply(new), again=request.again)
        if not run.seq:
            method = method_of(export) if export else expected_method(dataset, revision)
            run = run.model_copy(update={"method": method})
        return run if request.dry_run else self.store(run, request.answering)

    def store(self, run: ControlledRun, answering: AnsweredCall | None) -> ControlledRun:
        """Store the run if it is new, with the answer to the call if any; returns the run as stored.

        Where somebody else stored the run meanwhile, theirs is returned; with an answer that is Stale instead.
        """
        answer = answering.model_copy(update={"run": run.id}) if answering else None
        if run.seq:
            if answer:
                self.runs.answer(answer)
            return run
        try:
            return self.runs.save(run, event=requested_event(run), now=self.now, answering=answer)
        except Stale:  # requested by somebody else at the same time
            if answer:
                raise
            return self.runs.get(run.tenant, run.id)

    def _attempt(self, new: ControlledRun, *, again: bool) -> ControlledRun:
        """The stored attempt that answers a request for the run `new`; else the next attempt, not stored yet."""
        last: ControlledRun | None = None
        definition = (new.tenant, new.model, new.export, new.provider, new.base_model, new.hyperparameters)
        for attempt in count(1):
            identity = run_id(*definition, attempt, new.method, new.id_extras)
            run = self.runs.find(new.tenant, identity)
            if run is None:
                break
            if run.is_open or run.status == RunStatus.SUCCEEDED:
                return run
            last = run
        if last and not again:
            return last
        return new.model_copy(update={"id": identity, "attempt": attempt})


@dataclass(frozen=True)
class Retries:
    """Retries of runs: another attempt with the same export, provider, base model and settings."""

    providers: Providers
    runs: Runs
    now: datetime

    def retry(self, run: ControlledRun, *, force: bool = False, answering: AnsweredCall | None = None) -> ControlledRun:
        """The next attempt after the last one, or the last one while it is open. Conflict while the run itself is open.

        After an attempt that has succeeded there is another only with `force`. InvalidInput where the provider is known
        not to take it any more. `answering` is the answer to the call; Stale where it was answered meanwhile.
        """
        if run.is_open:
            message = f"The run is {run.status}: cancel it first, or wait for its end."
            raise Conflict(message, param="run", code="run_open")
        last = run
        while (later := self.runs.find(run.tenant, attempt_id(run, last.attempt + 1))) is not None:
            last = later
        attempts = RunAttempts(self.runs, self.now)
        if last.is_open:
            return attempts.store(last, answering)
        if last.status == RunStatus.SUCCEEDED and not force:
            message = f"Attempt {last.attempt} has succeeded. Send `force` as true to train the same once more."
            raise Conflict(message, param="force", code="run_succeeded")
        self._require_possible(last)
        number, fields = last.attempt + 1, {name: getattr(last, name) for name in DEFINING_FIELDS}
        attempt = ControlledRun(id=attempt_id(run, number), attempt=number, created_at=self.now, **fields)
        return attempts.store(attempt, answering)

    def _require_possible(self, run: ControlledRun) -> None:
        """Refuse a retry that would fail within seconds: of a base model or a provider that is gone."""
        provider = self.providers.get(run.provider)
        refuse(refusal_of(provider, run.base_model, run.method, run.hyperparameters, run.model, self.now))
        refuse(missing_in_recent_list(provider, run.base_model, self.providers.lists, self.now))


@dataclass(frozen=True)
class Confirmations:
    """Confirmations of runs that await one before they spend their estimated cost."""

    runs: Runs
    now: datetime

    def confirm(self, run: ControlledRun) -> ControlledRun:
        """Confirm a run, so that it may spend its estimate; one that is confirmed already stays as it is.

        Conflict where it doesn't await a confirmation.
        """
        if run.confirmed:
            return run
        if run.status != RunStatus.AWAITING_CONFIRMATION:
            message = f"The run is {run.status}; only one that awaits confirmation can be confirmed."
            raise Conflict(message, param="run")
        confirmed = run.with_status(RunStatus.REQUESTED, confirmed=True, waiting_for=None, waiting_since=None)
        return self.runs.save(confirmed, event=requested_event(confirmed), now=self.now)


def trains_revision(run: ControlledRun, dataset: Dataset, revision: int | None = None) -> bool:
    """Whether a run trains a dataset's revision, the latest by default, under the policy that holds for it now."""
    return run.export == export_id_of(dataset, revision or dataset.revision)


def export_id_of(dataset: Dataset, revision: int) -> str:
    """The id of the export that a dataset's revision is frozen as, under the policy that holds for it now."""
    return export_id(dataset.tenant, dataset.id, revision, dataset.policy_at(revision))


def revision_of(dataset: Dataset, revision: int | None) -> int:
    """A revision, the latest by default; Conflict where there is none yet."""
    if existing := revision or dataset.revision:
        return existing
    raise Conflict(f"Dataset {dataset.id} has no examples yet.", code="empty_dataset")


def method_in_id(dataset: Dataset, revision: int) -> TrainingMethod:
    """The training method that goes into a run's id: the policy's, or supervised where the policy names none.

    The examples may call for another method, but ids of stored runs were made so, and an equal request has to find
    them.
    """
    kind = dataset.policy_at(revision).kind
    return TrainingMethod(kind.value) if kind else TrainingMethod.SUPERVISED


def expected_method(dataset: Dataset, revision: int | None) -> TrainingMethod:
    """The training method of a revision that isn't frozen yet: its policy's, else by the kind of its examples."""
    kind = dataset.policy_at(revision or dataset.revision).kind
    if kind:
        return TrainingMethod(kind.value)
    return TrainingMethod.PREFERENCE if dataset.holds_pairs else TrainingMethod.SUPERVISED


def requested_event(run: ControlledRun) -> TrainingRunRequested:
    """The event that has a run's exports frozen, and the run submitted."""
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


def refuse(refusal: RunError | None) -> None:
    """Raise a refusal as InvalidInput; nothing happens for None."""
    if refusal:
        raise InvalidInput(refusal.message, param=refusal.param, code=refusal.code)
