"""Submitting: from a requested run to exactly one job at the provider, wherever a process may die on the way.

The lease keeps others out while files are uploaded and the job is created. The create is sent once; after that moment
the job is looked for under its own id, if it is known, and the run's, and only when two look-ups a minute apart found
nothing is it sent again.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export
from tuneloop.domain.jobs import ProviderJob, RunError, TrainingFile
from tuneloop.domain.leases import lease
from tuneloop.domain.policy import Kind
from tuneloop.domain.pricing import Price, auto_epochs, training_cost
from tuneloop.domain.training import SUBMITTABLE, ControlledRun, RunStatus, adopt_job, origin_of
from tuneloop.observability import count
from tuneloop.providers.base import JOB_NOT_FOUND, JobRequest, Provider
from tuneloop.store.objects import Objects
from tuneloop.store.runs import Runs

LEASE_S = 330  # beyond the function's time-out of 300 s, so that a dead holder is really dead
ASKING_S = 20.0
NO_PREFERENCES = (
    "This export holds preference pairs, and runs train on supervised examples. Set the policy's `kind` to "
    "`supervised`, or download the export and train on it elsewhere."
)
UNSURE = "Another look: the provider was asked for the job and has not shown it yet."


@dataclass
class Submission:
    """One try at submitting a run; `run` is always the row as it was last stored."""

    run: ControlledRun
    export: Export
    provider: Provider
    objects: Objects
    runs: Runs
    stage: str
    now: datetime

    def submit(self, price: Price | None, limit_usd: Decimal, owner: str) -> ControlledRun:
        """Take the run as far as it can go now: refused, waiting for a confirmation, or at the provider."""
        if self.run.status not in SUBMITTABLE or (self.run.lease and self.run.lease.is_held(self.now)):
            return self.run
        if refusal := self._refusal():
            return self._fail(refusal)
        estimate = self._estimate(price)
        may_wait = self.run.status == RunStatus.REQUESTED and not self.run.confirmed
        if waiting := _waits_for(estimate, limit_usd) if may_wait else None:
            held_back = self.run.moved(RunStatus.AWAITING_CONFIRMATION, estimated_cost_usd=estimate)
            return self._save(held_back.waiting(waiting, self.now))
        try:
            held = {"lease": lease(owner, self.now, LEASE_S), "estimated_cost_usd": estimate}
            examples = self.export.files[Split.TRAIN].examples
            self._save(self.run.moved(RunStatus.SUBMITTING, examples=examples, **held))
        except Stale:  # somebody else took it
            return self.runs.get(self.run.tenant, self.run.id)
        return self._work()

    def _work(self) -> ControlledRun:
        sent_before = self.run.create_sent_at
        try:
            return self._find_or_create()
        except ProviderUnavailable as error:
            unsure = self.run.create_sent_at != sent_before  # it may have been created: keep others out for a while
            kept = self.run.lease if unsure else None
            return self._save(self.run.waiting(error.message, self.now, lease=kept, checked_at=self.now))
        except ProviderRefused as error:
            return self._fail(RunError(code=error.code, message=error.message))

    def _find_or_create(self) -> ControlledRun:
        if job := self._find():
            return self._adopt(job)
        if self.run.create_sent_at and not self.run.is_missed_for_long(self.now):
            missed_at = self.run.missed_at or self.now
            return self._save(self.run.waiting(UNSURE, self.now, lease=None, missed_at=missed_at, checked_at=self.now))
        has_validation = self.export.files[Split.VALIDATION].examples
        request = JobRequest(
            origin=origin_of(self.run, self.stage),
            base_model=self.run.base_model,
            method=self.run.method,
            training_file=self._file(Split.TRAIN),
            validation_file=self._file(Split.VALIDATION) if has_validation else None,
            hyperparameters=self.run.hyperparameters,
        )
        self._save(self.run.model_copy(update={"create_sent_at": self.now, "missed_at": None}))
        return self._adopt(self.provider.create_job(request))

    def _find(self) -> ProviderJob | None:
        if self.run.provider_job_id:
            try:
                return self.provider.get_job(self.run.provider_job_id, timeout_s=ASKING_S)
            except ProviderRefused as error:
                if error.code != JOB_NOT_FOUND:
                    raise
        file = TrainingFile(self.run.tenant, self.run.id, Split.TRAIN)
        found = self.provider.find_jobs(self.run.id, self.provider.find_file(file))
        return found[0] if found else None

    def _adopt(self, job: ProviderJob) -> ControlledRun:
        self.run = self.runs.adopt(adopt_job(self.run, job, self.now))
        count("RunsStarted")
        return self.run

    def _file(self, split: Split) -> str:
        file = TrainingFile(self.run.tenant, self.run.id, split)
        if found := self.provider.find_file(file):
            return found
        with self.objects.download(self.export.files[split].key) as content:
            return self.provider.upload(file, self.run.base_model, content)

    def _refusal(self) -> RunError | None:
        if self.export.kind != Kind.SUPERVISED:
            return RunError(code="preference_export", message=NO_PREFERENCES)
        fewest = self.provider.capabilities(self.run.base_model).fewest_examples
        if self.export.files[Split.TRAIN].examples >= fewest:
            return None
        return RunError(
            code="too_few_examples", message=f"Need at least {fewest} examples. {_current(self.export, fewest)}"
        )

    def _estimate(self, price: Price | None) -> Decimal | None:
        train = self.export.files[Split.TRAIN]
        chosen = self.run.hyperparameters.get("n_epochs")
        epochs = chosen if isinstance(chosen, int) else auto_epochs(train.examples)
        return training_cost(price, train.tokens * epochs)

    def _fail(self, error: RunError) -> ControlledRun:
        self.run = fail(self.run, error, runs=self.runs, now=self.now)
        return self.run

    def _save(self, run: ControlledRun) -> ControlledRun:
        self.run = self.runs.save(run)
        return self.run


def fail(run: ControlledRun, error: RunError, *, runs: Runs, now: datetime) -> ControlledRun:
    """The run ended by an error that came before there was a job."""
    failed = run.moved(RunStatus.FAILED, error=error, finished_at=now, lease=None)
    event = TrainingRunFinished(
        tenant=failed.tenant, run=failed.id, model=failed.model, dataset=failed.dataset, status=failed.status
    )
    count("RunsFailed")
    return runs.save(failed, event=event, now=now)


def _waits_for(estimate: Decimal | None, limit_usd: Decimal) -> str | None:
    if estimate is None:
        return "A confirmation: this base model's training price is not known."
    if estimate > limit_usd:
        return f"A confirmation: the estimate of {_usd(estimate)} is above the limit of {_usd(limit_usd)} for one run."
    return None


def _usd(amount: Decimal) -> str:
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def _current(export: Export, fewest: int) -> str:
    """How many examples an export has, and where the others are."""
    train, kept = export.files[Split.TRAIN].examples, sum(file.examples for file in export.files.values())
    held = kept - train
    have = f"Current: {kept}." if kept < fewest else f"Current: {train} to train on, {held} for validation and test."
    left_out = sum(export.left_out.values())
    return f"{have} The export left out {left_out} more, and says why." if left_out else have
