"""Submits a run: a requested run becomes exactly one job at the provider, wherever a process may die on the way.

A lease keeps others out while files are uploaded and the job is created. The job is created once; from then on it is
looked for by its own id, if that is known, and by the run's, and it is created again only after two look-ups a minute
apart found no job. Of two jobs the older one is adopted. A request to cancel the run may come at any moment: before the
job is created it ends the run; a job that is found afterwards is adopted and stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from launch_finetune.cancel import end_cancelled
from launch_finetune.checks import method_of, missing_base_model, refusal_of_run, shutdown_refusal, shutdown_warning
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import DAILY_LIMIT, Outdated, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.domain.training.budgets import MonthlySpending, month_of
from tuneloop.domain.training.costs import RunCosts, run_costs
from tuneloop.domain.training.jobs import (
    IMPORT_POLL_AFTER,
    WAITING_FOR_FILE,
    FileImport,
    ImportState,
    OtherJob,
    ProviderJob,
    RunError,
    TrainingFile,
    may_become_ready,
    refusal_of_imports,
    wait_for_imports,
)
from tuneloop.domain.training.model_offers import Offer
from tuneloop.domain.training.runs import SUBMITTABLE, ControlledRun, RunStatus, adopt_job, origin_of, with_heartbeat
from tuneloop.domain.training.trained_exports import SEEN_SPLITS, VALIDATING_SPLIT
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import FILE_NOT_READY, JOB_NOT_FOUND, Provider, ProviderJobRequest
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import images_in
from tuneloop.store.repositories.budgets import Spendings
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.retry import retry_stale

# Longer than the function's time-out of 300 s, so that the holder of an expired lease is certainly dead.
LEASE = timedelta(seconds=330)
# Bounds each call for a job or a file's state: several of them and an upload have to fit into the function's 300 s.
ASKING_S = 20.0
# Added to midnight (UTC) before a daily limit is tried again, for providers whose clock is behind ours.
AFTER_MIDNIGHT = timedelta(minutes=5)
JOB_NOT_SHOWN_YET = "Another look: the provider was asked for the job and has not shown it yet."


@dataclass
class Submission:
    """One try at submitting a run; its only state is `run`, the row as this try last stored it.

    `validation` is the export of another dataset that validates the run instead of its own validation file.
    """

    run: ControlledRun
    export: Export
    provider: Provider
    objects: Objects
    runs: Runs
    stage: str
    now: datetime
    spendings: Spendings
    validation: Export | None = None

    def submit(self, price: Offer | None, limit_usd: Decimal, owner: str, *, is_first: bool = True) -> ControlledRun:
        """Take the run as far as possible now: it is refused, waits for a confirmation, or has a job at the provider.

        `is_first` says that only the base model serves, so that its evaluation asks no other version, which the
        estimate counts.
        """
        if self._is_blocked():
            return self.run
        if self.run.cancel_requested_at and self.run.has_no_job:
            return end_cancelled(self.run, self.runs, self.now)
        if self.run.has_no_job and (refusal := self._refusal(price)):
            return self._fail(refusal)
        is_paid = price is not None and bool(price.training_per_1m) and self.run.has_no_job
        export = _with_images_counted(self.export, self.objects) if is_paid else self.export
        costs = run_costs(self.run, export, price, is_first=is_first)
        reasons = [shutdown_warning(price, self.now), costs.confirmation_above(limit_usd)]
        try:
            reason = retry_stale(lambda: self._claim(costs, reasons, owner), "The month's budget")
        except Outdated:  # somebody else wrote the run
            return self.runs.get(self.run.tenant, self.run.id)
        if reason:
            unconfirmed = self.run.with_status(RunStatus.AWAITING_CONFIRMATION, **costs.fields)
            return self._save(unconfirmed.with_wait(reason, self.now))
        return self._submit_leased()

    def _claim(self, costs: RunCosts, reasons: list[str | None], owner: str) -> str | None:
        """Take the run's lease and reserve its cost in one write; or return the reason why it must be confirmed first.

        Stale where somebody else changed the month's budget, Outdated where somebody else wrote the run.
        """
        month, spending = self.spendings.of(self.run.tenant, month_of(self.now))
        if self._is_unconfirmed() and (reason := " ".join(filter(None, [*reasons, self._over_budget(month, costs)]))):
            return reason
        leased = self._leased(costs.reserve(self.run, self.now), owner)
        try:
            # A run's cost is reserved once, however often the run is submitted.
            self.run = self.runs.save(leased) if self.run.reserved_month else self.runs.reserve(leased, spending)
        except Stale as error:
            if self.runs.get(self.run.tenant, self.run.id).seq != self.run.seq:
                raise Outdated(f"Run {self.run.id} was taken by somebody else.") from error
            raise
        return None

    def _refusal(self, price: Offer | None) -> RunError | None:
        return shutdown_refusal(price, self.now) or refusal_of_run(self.run, self.export, self.provider, self.now)

    def _is_blocked(self) -> bool:
        """Whether the run is past submitting, somebody else holds its lease, or its provider asked for a pause."""
        is_held = self.run.lease is not None and self.run.lease.is_held(self.now)
        is_paused = self.run.not_before is not None and self.now < self.run.not_before
        return self.run.status not in SUBMITTABLE or is_held or (is_paused and not self.run.cancel_requested_at)

    def _is_unconfirmed(self) -> bool:
        return self.run.status == RunStatus.REQUESTED and not self.run.confirmed

    def _over_budget(self, month: MonthlySpending, costs: RunCosts) -> str | None:
        """Why the run doesn't fit into what is left of the month's budget; None if it does, or is reserved already."""
        total = costs.total_usd
        return None if total is None or self.run.reserved_month else month.refusal(total)

    def _leased(self, run: ControlledRun, owner: str) -> ControlledRun:
        """The run with our lease, and with the training method of its export, which the policy need not name."""
        return run.with_status(
            RunStatus.SUBMITTING,
            lease=Lease(owner=owner, until=self.now + LEASE),
            examples=self.export.files[Split.TRAIN].examples,
            method=method_of(self.export),
            not_before=None,
        )

    def _submit_leased(self) -> ControlledRun:
        """Submit the leased run; what the provider answers becomes its state: at the provider, waiting, or failed."""
        sent_before = self.run.create_sent_at
        try:
            return self._find_or_create()
        except ProviderUnavailable as error:
            may_exist = self.run.create_sent_at != sent_before  # then the lease is kept until the job can be found
            changes: dict[str, Any] = {"lease": self.run.lease if may_exist else None, "checked_at": self.now}
            if error.code == DAILY_LIMIT:  # certainly no job was created
                changes = {"lease": None, "create_sent_at": sent_before, "checked_at": self.now}
            backoff = backoff_for(error, self.now)
            return self._save(self.run.with_wait(backoff.waiting_for, self.now, not_before=backoff.until, **changes))
        except ProviderRefused as error:
            return self._fail(RunError(code=error.code, message=error.message))
        except Stale:  # the run was cancelled, or somebody else wrote it
            return self.runs.get(self.run.tenant, self.run.id)

    def _find_or_create(self) -> ControlledRun:
        """Adopt the run's job if there is one; else create it, unless an earlier create may yet show its job."""
        if jobs := self._find_jobs():
            return self._stop_others(self._adopt(jobs[0]), jobs[1:])
        if self.run.create_sent_at and not self.run.is_missed_for_long(self.now):
            missed_at = self.run.missed_at or self.now
            return self._save(
                self.run.with_wait(JOB_NOT_SHOWN_YET, self.now, lease=None, missed_at=missed_at, checked_at=self.now)
            )
        if self.run.cancel_requested_at:
            return end_cancelled(self.run, self.runs, self.now)
        if missing := missing_base_model(self.provider, self.run.base_model):
            return self._fail(missing)
        return self._upload()

    def _upload(self) -> ControlledRun:
        """Upload the files that the provider doesn't have yet and, once it can train on all, create the job."""
        files = {split: self._ensure_uploaded(split) for split in SEEN_SPLITS if self._content(split).examples}
        imports = {split: self.provider.file_import(file, ASKING_S) for split, file in files.items()}
        if unfit := refusal_of_imports(imports):
            return self._fail(unfit)
        if importing := wait_for_imports(imports, self.run.importing_since, self.now):
            return self._save(self._importing(self.run, importing, files))
        return self._create(files, imports)

    def _create(self, files: dict[Split, str], imports: dict[Split, FileImport]) -> ControlledRun:
        request = ProviderJobRequest(
            origin=origin_of(self.run, self.stage),
            base_model=self.run.base_model,
            method=self.run.method,
            training_file=files[Split.TRAIN],
            validation_file=files.get(Split.VALIDATION),
            hyperparameters=self.run.hyperparameters,
            seed=self.run.seed or 0,
        )
        unsent = self.run
        # A request to cancel that comes before this write ends the run, and makes this write Stale; after it, the job
        # has to be found to be cancelled.
        self.run = self.runs.save(self.run.model_copy(update={"create_sent_at": self.now, "missed_at": None}))
        try:
            job = self.provider.create_job(request)
        except ProviderRefused as error:
            if not self._may_become_ready(imports, error):
                raise
        else:
            return self._adopt(job)
        unsent = unsent.model_copy(update={"seq": self.run.seq})  # a refused create counts as never sent
        return self._save(self._importing(unsent, WAITING_FOR_FILE, files))

    def _may_become_ready(self, imports: dict[Split, FileImport], refusal: ProviderRefused) -> bool:
        is_reported = refusal.code == FILE_NOT_READY
        return may_become_ready(imports, self.run.importing_since, self.now, is_reported=is_reported)

    def _importing(self, run: ControlledRun, waiting_for: str, files: dict[Split, str]) -> ControlledRun:
        """The run as it waits for the next sweep; it keeps the ids of its files, which no list may show yet."""
        since, pause = run.importing_since or self.now, self.now + IMPORT_POLL_AFTER
        changes = {"lease": None, "checked_at": self.now, "uploaded": files, "importing_since": since}
        return run.with_wait(waiting_for, self.now, not_before=pause, **changes)

    def _find_jobs(self) -> list[ProviderJob]:
        """The jobs that were created for the run, the one to adopt first."""
        if self.run.provider_job_id:
            try:
                return [self.provider.get_job(self.run.provider_job_id, timeout_s=ASKING_S)]
            except ProviderRefused as error:
                if error.code != JOB_NOT_FOUND:
                    raise
        file = TrainingFile(self.run.tenant, self.run.id, Split.TRAIN)
        file_id = self.provider.find_file(file) if self.run.create_sent_at else None  # before that, no job has the file
        return self.provider.find_jobs(self.run.id, file_id)

    def _adopt(self, job: ProviderJob) -> ControlledRun:
        self._save(with_heartbeat(self.run, adopt_job(self.run, job, self.now), self.now), self.runs.adopt)
        count("RunsStarted")
        if self.run.cancel_requested_at:
            self._stop(job)
        return self.run

    def _stop_others(self, run: ControlledRun, jobs: list[ProviderJob]) -> ControlledRun:
        """Cancel jobs that were created twice, and store them with the run; the sweep completes this if it fails."""
        for job in jobs:
            self._stop(job)
        others = [OtherJob(id=job.id, status=job.status, trained_tokens=job.trained_tokens) for job in jobs]
        return self._save(run.model_copy(update={"other_jobs": others})) if others else run

    def _stop(self, job: ProviderJob) -> None:
        try:
            self.provider.cancel_job(job.id, timeout_s=ASKING_S)
        except (ProviderUnavailable, ProviderRefused) as error:  # the sweep stops it
            log_failure(error)

    def _ensure_uploaded(self, split: Split) -> str:
        """The provider's id of a split's file, which is uploaded if the provider doesn't have it."""
        file = TrainingFile(self.run.tenant, self.run.id, split)
        if listed_id := self.provider.find_file(file):
            return listed_id
        uploaded_id = self.run.uploaded.get(split)
        if uploaded_id and self.provider.file_import(uploaded_id, ASKING_S).state != ImportState.GONE:
            return uploaded_id
        with self.objects.download(self._content(split).key) as content:
            return self.provider.upload(file, self.run.base_model, content)

    def _content(self, split: Split) -> ExportFile:
        if split == Split.VALIDATION and self.validation:
            return self.validation.files[VALIDATING_SPLIT]
        return self.export.files[split]

    def _fail(self, error: RunError) -> ControlledRun:
        self.run = end_failed(self.run, error, self.runs, self.now)
        return self.run

    def _save(self, run: ControlledRun, write: Callable[[ControlledRun], ControlledRun] | None = None) -> ControlledRun:
        """Store the run, with a request to cancel if that is all that was written meanwhile; Stale otherwise."""
        store = write or self.runs.save
        try:
            self.run = store(run)
        except Stale:
            stored = self.runs.get(run.tenant, run.id)
            cancellation = {"seq": stored.seq, "cancel_requested_at": stored.cancel_requested_at}
            if self.run.model_copy(update=cancellation) != stored:
                raise
            self.run = store(run.model_copy(update=cancellation))
        return self.run


def end_failed(run: ControlledRun, error: RunError, runs: Runs, now: datetime) -> ControlledRun:
    """Store a run as failed that has no job."""
    failed = run.with_status(RunStatus.FAILED, error=error, finished_at=now, lease=None)
    count("RunsFailed")
    return runs.finish(failed, TrainingRunFinished.of(failed), now, None)


def _with_images_counted(export: Export, objects: Objects) -> Export:
    """The export with its images counted; exports of older releases weren't, so their files are read."""
    files = {
        split: file if file.images is not None or split == Split.VALIDATION else _count_images(file, objects)
        for split, file in export.files.items()
    }
    return export.model_copy(update={"files": files})


def _count_images(file: ExportFile, objects: Objects) -> ExportFile:
    return file.model_copy(update={"images": images_in(objects.lines(file.key))})


class Backoff(NamedTuple):
    """The reason why a run waits, and until when its provider isn't called; None means until the next sweep."""

    waiting_for: str
    until: datetime | None


def backoff_for(error: ProviderUnavailable, now: datetime) -> Backoff:
    """The pause before a run is submitted again: the one that the provider asks for, or the rest of the day (UTC).

    It is stored with the run, as no function sleeps for it.
    """
    if error.code == DAILY_LIMIT:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        until = today + timedelta(days=1) + AFTER_MIDNIGHT
        return Backoff(f"{error.message} The run waits until tomorrow, {until:%H:%M} UTC.", until)
    if error.retry_after_s:
        return Backoff(error.message, now + timedelta(seconds=error.retry_after_s))
    return Backoff(error.message, None)
