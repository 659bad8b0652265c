"""Fine-tuning jobs as OpenAI writes them: what is asked for, how far it is, and what it left behind.

Requests are held to OpenAI's bounds. Jobs, events and checkpoints are parsed leniently: a status we have never heard of
passes through, and whoever reads it decides what to do.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, Strict

from tuneloop.openai_wire.shape import Metadata, Shape

Auto = Literal["auto"]
OPEN_STATUSES = frozenset({"validating_files", "queued", "running"})


def _auto_or_whole(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> object:
        """The value as it is; ValueError for a truth value or a float, which pydantic would take for a whole number."""
        if value == "auto" or (type(value) is int and low <= value <= high):
            return value
        raise ValueError(f"must be 'auto' or a whole number from {low} to {high}")

    return BeforeValidator(check)


def _auto_or_positive(high: float) -> BeforeValidator:
    def check(value: object) -> object:
        """The value as it is; ValueError for a truth value, which pydantic would take for 1 or 0."""
        if value == "auto" or (type(value) in (int, float) and 0 < cast("float", value) <= high):
            return value
        raise ValueError(f"must be 'auto' or a number above 0 and at most {high:g}")

    return BeforeValidator(check)


class Hyperparameters(Shape):
    """How to train: passes over the data, examples per step, and a factor on the learning rate."""

    n_epochs: Annotated[Auto | int, _auto_or_whole(1, 50)] = "auto"
    batch_size: Annotated[Auto | int, _auto_or_whole(1, 256)] = "auto"
    learning_rate_multiplier: Annotated[Auto | float, _auto_or_positive(1_000)] = "auto"


class DpoHyperparameters(Hyperparameters):
    """Hyperparameters of training on preference pairs; `beta` is the pull towards the base model."""

    beta: Annotated[Auto | float, _auto_or_positive(2)] = "auto"


class SupervisedMethod(Shape):
    """Training on conversations."""

    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)


class DpoMethod(Shape):
    """Training on preference pairs."""

    hyperparameters: DpoHyperparameters = Field(default_factory=DpoHyperparameters)


class Method(Shape):
    """Which way of training, with that way's settings under its own name."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: SupervisedMethod | None = None
    dpo: DpoMethod | None = None
    reinforcement: dict[str, Any] | None = None


class JobRequest(Shape):
    """The body of `POST /v1/fine_tuning/jobs`; the top-level `hyperparameters` are OpenAI's older spelling."""

    model: str = Field(min_length=1)
    training_file: str = Field(min_length=1)
    validation_file: str | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    suffix: str | None = Field(default=None, min_length=1, max_length=64)
    seed: Annotated[int, Strict(), Field(ge=0, le=2**31 - 1)] | None = None
    metadata: Metadata | None = None
    integrations: list[dict[str, Any]] | None = None

    @property
    def supervised(self) -> Hyperparameters:
        """The supervised settings, wherever they were written, `auto` where they were not."""
        if self.method and self.method.supervised:
            return self.method.supervised.hyperparameters
        return self.hyperparameters or Hyperparameters()

    @property
    def preference(self) -> DpoHyperparameters:
        """The settings for preference pairs, `auto` where they were not written."""
        return self.method.dpo.hyperparameters if self.method and self.method.dpo else DpoHyperparameters()


class JobError(Shape):
    """Why a job failed: a stable `code`, a sentence, and the request's field that is to blame, where one is."""

    code: str = ""
    message: str = ""
    param: str | None = None


class JobHyperparameters(Shape):
    """A job's settings as the provider resolved them."""

    n_epochs: Auto | int | None = None
    batch_size: Auto | int | None = None
    learning_rate_multiplier: Auto | float | None = None


class FineTuningJob(Shape):
    """One job; times in seconds since 1970, `trained_tokens` and `fine_tuned_model` null until it has succeeded."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    model: str = ""
    status: str = ""
    created_at: int = 0
    finished_at: int | None = None
    estimated_finish: int | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    training_file: str = ""
    validation_file: str | None = None
    result_files: list[str] = Field(default_factory=list)
    error: JobError | None = None
    hyperparameters: JobHyperparameters = Field(default_factory=JobHyperparameters)
    method: dict[str, Any] | None = None
    seed: int = 0
    metadata: dict[str, str] | None = None
    integrations: list[dict[str, Any]] = Field(default_factory=list)
    organization_id: str = ""


class JobEvent(Shape):
    """One line of a job's log; `data` holds the figures of a step where `type` is `metrics`."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int = 0
    level: str = "info"
    message: str = ""
    type: str = "message"
    data: dict[str, Any] | None = None


class StepMetrics(Shape):
    """A step's figures, each absent where it was not measured; losses in nats per example, accuracies in [0, 1]."""

    step: int = 0
    total_steps: int | None = None
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None
    train_preference_accuracy: float | None = None
    valid_preference_accuracy: float | None = None
    full_valid_preference_accuracy: float | None = None


class Checkpoint(Shape):
    """A usable model from the end of one epoch."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int = 0
    fine_tuned_model_checkpoint: str = ""
    fine_tuning_job_id: str = ""
    step_number: int = 0
    metrics: StepMetrics = Field(default_factory=StepMetrics)
