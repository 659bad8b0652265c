"""Domain events: what happened, announced to the other functions and to the user's own rules on the event bus.

An event is written in the same transaction as the state it announces and relayed to the bus afterwards, at least once.
It holds ids and figures, never content. Its `schema_version` rises when a field changes its meaning or is removed.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.evaluation.verdicts import Verdict
from tuneloop.domain.training.estimates import UsdRange
from tuneloop.domain.training.model_offers import Successor
from tuneloop.domain.training.runs import ControlledRun, Overfitting, RunStatus

SOURCE = "tuneloop"


class DomainEvent(BaseModel):
    """The base class of all events, which have a type, a tenant, and the version of their schema."""

    model_config = ConfigDict(extra="ignore")
    aggregate_field: ClassVar[str]

    tenant: Name
    schema_version: Literal[1] = 1

    @property
    def aggregate(self) -> str:
        """The kind and id of what the event is about, such as `run.<id>`; with a write number it names the event."""
        return f"{self.aggregate_field}.{getattr(self, self.aggregate_field)}"


class DatasetSettled(DomainEvent):
    """A dataset has changed and been quiet since, so that it is to be frozen."""

    aggregate_field = "dataset"
    type: Literal["DatasetSettled"] = "DatasetSettled"
    dataset: Name
    revision: int


class ExportCreated(DomainEvent):
    """An export is frozen, so that runs that waited for it can be submitted."""

    aggregate_field = "export"
    type: Literal["ExportCreated"] = "ExportCreated"
    dataset: Name
    export: Name
    revision: int
    examples: int


class TrainingRunRequested(DomainEvent):
    """A run is requested: its export, and the one it validates on, are frozen if need be, then it is submitted."""

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
    """A run has ended; `version` is the one it made if it succeeded, `overfitting` says if it trained too long."""

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
        """The event for a run that has ended."""
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
    """A run's provider has reported nothing new for too long; announced once for each such silence."""

    aggregate_field = "run"
    type: Literal["TrainingRunStuck"] = "TrainingRunStuck"
    run: Name
    model: Name
    dataset: Name
    status: RunStatus
    last_heard_at: datetime | None = None


class TrainingRunAdopted(DomainEvent):
    """An orphan job of a lost run was found, and the run's row was restored from the job's metadata."""

    aggregate_field = "run"
    type: Literal["TrainingRunAdopted"] = "TrainingRunAdopted"
    run: Name
    model: Name
    dataset: Name
    export: Name
    provider: Name
    job: str


class VersionReady(DomainEvent):
    """A version can answer; a version that has an export is evaluated next.

    `late` is set if its verdict compared it with a version that no longer serves: the time at which that was noticed
    and a new evaluation began.
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
    """A version was registered by hand, so that its provider is asked whether it has such a model."""

    aggregate_field = "verification"
    type: Literal["VersionVerificationRequested"] = "VersionVerificationRequested"
    model: Name
    version: int

    @property
    def aggregate(self) -> str:
        """Versions are numbered within their model; the kind keeps this event apart from the version's own."""
        return f"verification.{self.model}.{self.version}"


class EvaluationRequested(DomainEvent):
    """An evaluation is requested, or has more rows to ask than one invocation had time for."""

    aggregate_field = "evaluation"
    type: Literal["EvaluationRequested"] = "EvaluationRequested"
    evaluation: Name


def announcement_name(evaluation: str, late: datetime | None) -> str:
    """The name of the announcement of an evaluation's verdict: the first one, or the one repeated at `late`."""
    return f"{evaluation}.{late.isoformat()}" if late else evaluation


class EvaluationCompleted(DomainEvent):
    """An evaluation with the intent to promote has its verdict; `late` is set where it is announced again.

    Reports are not announced, as they decide nothing.
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
        """The announcement's name, under which it is decided once however often the event is delivered."""
        return announcement_name(self.evaluation, self.late)


class DeploymentChanged(DomainEvent):
    """A model's stable version, candidate or share has changed."""

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
    """A version will be served for `days_left` days more; announced once within each of 90, 60, 30 and 7 days.

    `successor` is the base model that takes over, and `estimate` the cost of training the same export on it; without an
    estimate, `estimate_note` says why.
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
