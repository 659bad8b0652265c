"""One training run, which turns a queued job into a tuned model.

A run saves a checkpoint at the end of every epoch, after the epoch's reports and model have been written. A run that
starts again repeats at most one epoch: the repeated steps give the same numbers, and events and models that exist are
not added again.
"""

import re

from trainer.engine.training import EpochPlan, Learner, TrainingStep, restore_checkpoint, save_checkpoint, train_steps
from trainer.ids import id_for, now_s
from trainer.jobs.job_data import JobData
from trainer.jobs.learners import DPO, beta_of, method_of
from trainer.jobs.metrics import Progress, message_of
from trainer.storage.bedrock import BEDROCK
from trainer.storage.home import Home
from trainer.storage.jobs import is_bedrocks
from trainer.storage.models import ORGANIZATION
from tuneloop.openai_wire.fine_tuning import Checkpoint, FineTuningJob, Hyperparameters, StepMetrics

# OpenAI keeps the models of a job's last three epochs; so do we. The third is the finished model.
KEPT_CHECKPOINTS = 3
WARMUP_STEPS = "warmup_steps"
# A job that continues after its worker died is already `running`.
_STARTABLE = frozenset({"queued", "running"})
_RUNNING = frozenset({"running"})
# What `auto` means for the batch size: about so many steps in an epoch, within bounds.
_STEPS_PER_EPOCH = 150
_LEAST_BATCH, _MOST_BATCH = 4, 128
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class JobEndedError(Exception):
    """The job was cancelled, or ended otherwise, while its run was in progress."""


class JobTraining:
    """The training of one job's model, which continues from the job's last checkpoint if there is one."""

    def __init__(self, home: Home, job: FineTuningJob, data: JobData, learner: Learner, tokens_per_epoch: int) -> None:
        self._home = home
        self._job = job
        self._data = data
        self._learner = learner
        self._tokens_per_epoch = tokens_per_epoch
        self._plan = epoch_plan(job, self._learner)
        self._progress = Progress(self._learner, self._plan)

    def train(self) -> None:
        """Take all remaining steps and publish the model; raise JobEndedError if the job ends meanwhile."""
        epochs_done = restore_checkpoint(self._home.checkpoint_file(self._job.id), self._learner)
        self._start(epochs_done)
        for step in train_steps(self._learner, self._plan, epochs_done=epochs_done):
            metrics = self._progress.watch(step)
            if metrics:  # always so at the last step of an epoch
                self._report(step, metrics)
                if step.ends_epoch and step.epoch < self._plan.epochs:
                    self._end_epoch(step, metrics)
                elif step.ends_epoch:
                    self._finish(metrics)

    def _start(self, epochs_done: int) -> None:
        resolved: dict[str, float] = {
            "n_epochs": self._plan.epochs,
            "batch_size": self._plan.batch_size,
            "learning_rate_multiplier": self._plan.rate_multiplier,
        }
        method_name = method_of(self._job)
        if method_name == DPO:
            resolved["beta"] = beta_of(self._job)
        hyperparameters = self._job.hyperparameters.model_copy(update=resolved)
        method = {"type": method_name, method_name: {"hyperparameters": hyperparameters.model_dump()}}
        with self._home.rows.transaction():
            self._update(out_of=_STARTABLE, status="running", hyperparameters=hyperparameters, method=method)
            self._home.jobs.log(self._job.id, "started", "Fine-tuning job started")
            if epochs_done:
                message = f"Training goes on after epoch {epochs_done}/{self._plan.epochs}"
                self._home.jobs.log(self._job.id, f"resumed after {epochs_done}", message, level="warn")

    def _report(self, step: TrainingStep, metrics: StepMetrics) -> None:
        with self._home.rows.transaction():
            self._update(estimated_finish=self._progress.estimated_finish(step))
            self._home.jobs.log(self._job.id, f"step {step.number}", message_of(metrics), metrics=metrics)

    def _end_epoch(self, step: TrainingStep, metrics: StepMetrics) -> None:
        if step.epoch > self._plan.epochs - KEPT_CHECKPOINTS and not is_bedrocks(self._job.id):
            model_id = checkpoint_model_id(self._job, step.number)
            self._home.models.store(model_id, self._learner.current_model().artifact())
            with self._home.rows.transaction():
                self._publish(model_id, metrics)
        save_checkpoint(self._home.checkpoint_file(self._job.id), self._learner, epochs_done=step.epoch)

    def _publish(self, model_id: str, metrics: StepMetrics) -> None:
        """List a stored model and its checkpoint."""
        now = now_s()
        self._home.models.add(model_id, created=now)
        checkpoint = Checkpoint(
            id=id_for("ftckpt", self._job.id, str(metrics.step)),
            created_at=now,
            fine_tuned_model_checkpoint=model_id,
            fine_tuning_job_id=self._job.id,
            step_number=metrics.step,
            metrics=metrics,
        )
        self._home.jobs.add_checkpoint(checkpoint)
        self._home.jobs.log(self._job.id, f"checkpoint {metrics.step}", f"Checkpoint created at step {metrics.step}")

    def _finish(self, metrics: StepMetrics) -> None:
        model_id = tuned_model_id(self._job)
        self._home.models.store(model_id, self._learner.current_model().artifact())
        results = self._data.write_metrics(self._home, self._current())
        with self._home.rows.transaction():
            self._update(
                status="succeeded",
                fine_tuned_model=model_id,
                trained_tokens=self._tokens_per_epoch * self._plan.epochs,
                result_files=results,
                finished_at=now_s(),
                estimated_finish=None,
            )
            self._publish(model_id, metrics)
            self._home.jobs.log(self._job.id, "model", f"New fine-tuned model created: {model_id}")
            self._home.jobs.log(self._job.id, "succeeded", "The job has successfully completed")

    def _current(self) -> FineTuningJob:
        """Return the job as it is now; raise JobEndedError if it has ended."""
        job = self._home.jobs.get(self._job.id)
        if not job or job.status not in _RUNNING:
            raise JobEndedError(self._job.id)
        return job

    def _update(self, *, out_of: frozenset[str] = _RUNNING, **changes: object) -> None:
        if not self._home.jobs.move(self._job.id, out_of=out_of, **changes):
            raise JobEndedError(self._job.id)


def epoch_plan(job: FineTuningJob, learner: Learner) -> EpochPlan:
    """Return the plan of a job's training; `auto` means the learner's epochs, and about 150 steps in each of them."""
    requested = Hyperparameters.model_validate(job.hyperparameters.model_dump())
    batch_size = min(_MOST_BATCH, max(_LEAST_BATCH, learner.rows_per_epoch // _STEPS_PER_EPOCH))
    return EpochPlan(
        epochs=learner.auto_epochs if requested.n_epochs == "auto" else requested.n_epochs,
        batch_size=batch_size if requested.batch_size == "auto" else requested.batch_size,
        rate_multiplier=1.0 if requested.learning_rate_multiplier == "auto" else requested.learning_rate_multiplier,
        seed=job.seed,
        warmup_steps=(job.hyperparameters.model_extra or {}).get(WARMUP_STEPS, 0),
    )


def tuned_model_id(job: FineTuningJob) -> str:
    """Return the id of a job's model; OpenAI's form is `ft:<base>:<organization>:<suffix>:<end of the job's id>`."""
    if is_bedrocks(job.id):
        return f"{BEDROCK}:{job.id.removeprefix(f'{BEDROCK}-')}"
    suffix = str((job.model_extra or {}).get("user_provided_suffix") or "")
    slug = _NOT_IN_NAMES.sub("-", suffix.lower()).strip("-")
    base = job.model.split(":")[1] if job.model.startswith("ft:") else job.model
    return f"ft:{base}:{ORGANIZATION}:{slug}:{job.id[-8:]}"


def checkpoint_model_id(job: FineTuningJob, step: int) -> str:
    """Return the id of a job's model as it was after a step."""
    return f"{tuned_model_id(job)}:ckpt-step-{step}"
