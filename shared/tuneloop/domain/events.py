"""Domain events: what happened, told to the other functions and to the user's own rules on the bus.

An event is written in the same transaction as the state it announces and carried to the bus afterwards, at least once.
It holds ids and figures, never content. Its `schema_version` rises when a field changes its meaning or goes.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.evaluation.verdicts import Verdict
from tuneloop.domain.training.estimates import UsdRange
from tuneloop.domain.training.model_offers import Successor
from tuneloop.domain.training.overfitting import Overfitting
from tuneloop.domain.training.runs import ControlledRun, RunStatus

SOURCE = "tuneloop"


class DomainEvent(BaseModel):
    """What every event carries: its type, its tenant, and the version of its schema."""

    model_config = ConfigDict(extra="ignore")
    aggregate_field: ClassVar[str]

    tenant: Name
    schema_version: Literal[1] = 1

    @property
    def aggregate(self) -> str:
        """The id of the thing that the event is about, led by its kind."""
        return f"{self.aggregate_field}.{getattr(self, self.aggregate_field)}"


class DatasetSettled(DomainEvent):
    """A dataset changed and has been quiet since: time to freeze it."""

    aggregate_field = "dataset"
    type: Literal["DatasetSettled"] = "DatasetSettled"
    dataset: Name
    revision: int


class ExportCreated(DomainEvent):
    """An export is frozen: runs that waited for it can be submitted."""

    aggregate_field = "export"
    type: Literal["ExportCreated"] = "ExportCreated"
    dataset: Name
    export: Name
    revision: int
    examples: int


class TrainingRunRequested(DomainEvent):
    """A run is asked for: freeze its export, and that which it validates on, where they aren't yet, then submit it."""

    aggregate_field = "run"
    type: Literal["TrainingRunRequested"] = "TrainingRunRequested"
    run: Name
    model: Name
    dataset: Name
    export: Name
    revision: int
    validation_dataset: Name | None = None
    validation_revision: int | None = None


class TrainingRunFinished(DomainEvent):
    """A run ended; `version` is the one it made, if it succeeded, `overfitting` that it was trained for too long."""

    aggregate_field = "run"
    type: Literal["TrainingRunFinished"] = "TrainingRunFinished"
    run: Name
    model: Name
    dataset: Name
    status: RunStatus
    version: int | None = None
    training_cost_usd: Usd | None = None
    overfitting: Overfitting | None = None

    @classmethod
    def of(cls, run: ControlledRun) -> Self:
        """The end of a run."""
        return cls(
            tenant=run.tenant,
            run=run.id,
            model=run.model,
            dataset=run.dataset,
            status=run.status,
            version=run.version,
            training_cost_usd=run.training_cost_usd,
            overfitting=run.overfitting,
        )


class TrainingRunStuck(DomainEvent):
    """Nothing new has come from a run's provider for too long; said once until something does."""

    aggregate_field = "run"
    type: Literal["TrainingRunStuck"] = "TrainingRunStuck"
    run: Name
    model: Name
    dataset: Name
    status: RunStatus
    last_heard_at: datetime | None = None


class TrainingRunAdopted(DomainEvent):
    """A job of ours was found whose run had been lost, and the run made again from what the job carries."""

    aggregate_field = "run"
    type: Literal["TrainingRunAdopted"] = "TrainingRunAdopted"
    run: Name
    model: Name
    dataset: Name
    export: Name
    provider: Name
    job: str


class VersionReady(DomainEvent):
    """A version can answer; those that have an export are evaluated next.

    `late` is when a verdict about it was found to be about what no longer serves: it is to be decided on anew.
    """

    aggregate_field = "version"
    type: Literal["VersionReady"] = "VersionReady"
    model: Name
    version: int
    dataset: Name | None = None
    export: Name | None = None
    late: datetime | None = None

    @property
    def aggregate(self) -> str:
        """Versions are numbered within their model."""
        return f"version.{self.model}.{self.version}"


class VersionVerificationRequested(DomainEvent):
    """A version was registered by hand: its provider is to be asked whether it has such a model."""

    aggregate_field = "verification"
    type: Literal["VersionVerificationRequested"] = "VersionVerificationRequested"
    model: Name
    version: int

    @property
    def aggregate(self) -> str:
        """Versions are numbered within their model; what is asked about one is apart from what becomes of it."""
        return f"verification.{self.model}.{self.version}"


class EvaluationRequested(DomainEvent):
    """An evaluation is asked for, or has more rows to ask than one invocation could."""

    aggregate_field = "evaluation"
    type: Literal["EvaluationRequested"] = "EvaluationRequested"
    evaluation: Name


def announcement(evaluation: str, late: datetime | None) -> str:
    """The name of an announcement of a verdict: the first, or the one of that time."""
    return f"{evaluation}.{late.isoformat()}" if late else evaluation


class EvaluationCompleted(DomainEvent):
    """An evaluation that is to promote has its verdict; `late` tells one that is announced again from the first time.

    Reports are not announced: they decide nothing.
    """

    aggregate_field = "evaluation"
    type: Literal["EvaluationCompleted"] = "EvaluationCompleted"
    evaluation: Name
    model: Name
    candidate: int
    stable: int
    verdict: Verdict
    late: datetime | None = None

    @property
    def once(self) -> str:
        """The name of this announcement, under which its decision is made once."""
        return announcement(self.evaluation, self.late)


class DeploymentChanged(DomainEvent):
    """Other versions answer from now on, or others share the users."""

    aggregate_field = "deployment"
    type: Literal["DeploymentChanged"] = "DeploymentChanged"
    model: Name
    stable: int
    candidate: int | None = None
    share: float = 0.0
    reason: str

    @property
    def aggregate(self) -> str:
        """A model has one deployment."""
        return f"deployment.{self.model}"


class ModelSunsetApproaching(DomainEvent):
    """A version is served for `days_left` days more; one event for each of 90, 60, 30 and 7 days that it comes within.

    `successor` takes over its base model, and `estimate` is what training the same export there would cost; without one
    `estimate_note` says why.
    """

    aggregate_field = "sunset"
    type: Literal["ModelSunsetApproaching"] = "ModelSunsetApproaching"
    model: Name
    version: int
    provider: str
    base_model: str
    shutdown_date: date
    days_left: int
    threshold: int
    dataset: Name | None = None
    export: Name | None = None
    successor: Successor | None = None
    estimate: UsdRange | None = None
    estimate_note: str | None = None

    @property
    def aggregate(self) -> str:
        """Versions are numbered within their model."""
        return f"sunset.{self.model}.{self.version}"


AnyEvent = Annotated[
    DatasetSettled
    | ExportCreated
    | TrainingRunRequested
    | TrainingRunFinished
    | TrainingRunStuck
    | TrainingRunAdopted
    | VersionReady
    | VersionVerificationRequested
    | EvaluationRequested
    | EvaluationCompleted
    | DeploymentChanged
    | ModelSunsetApproaching,
    Field(discriminator="type"),
]
parse_event: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
