"""The registry: models that apps call, their versions, and which of them answers.

Version 0 of every model is the base model itself. A deployment names the stable version and, during a rollout, a
candidate with its share of the users. Each decision is one new deployment and one line of history, never a silent edit.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field

from tuneloop.domain.chat.messages import KeptAsText
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.ids import Name, digest
from tuneloop.domain.serving.holds import Hold, Takeoff
from tuneloop.domain.training.jobs import RunError

VersionNumber = Annotated[int, Field(ge=0, le=999_999, strict=True)]  # six digits in its key


class Model(BaseModel):
    """A registered name that apps call; `latest_version` is the highest number given out."""

    tenant: Name
    id: Name
    provider: str
    base_model: str
    latest_version: int = 0
    created_at: datetime
    seq: int = 0


class VersionStatus(StrEnum):
    """Whether a version can answer.

    One that was made by a run is `deploying`, then `ready` or `deploy_failed`; one that was registered by hand is
    `verifying`, then `ready`, `unverified` or `failed`. Either may be `retired`.
    """

    DEPLOYING = "deploying"
    VERIFYING = "verifying"
    READY = "ready"
    UNVERIFIED = "unverified"
    FAILED = "failed"
    DEPLOY_FAILED = "deploy_failed"
    RETIRED = "retired"


class VersionView(BaseModel):
    """A provider's model with its own prompt and parameters, and where it came from, as users read it.

    `deployment` is what calls name where a provider has to be asked to serve a model; `waiting_for` and `error` say
    what keeps one from being ready. One that is `unverified` is activated by nobody but a person who names it. A
    version that is retired is gone from its provider since `removed_at`.
    """

    model: Name
    number: int
    provider: str
    provider_model: str
    base_model: str
    is_finetuned: bool
    status: VersionStatus = VersionStatus.READY
    deployment: str | None = None
    waiting_for: str | None = None
    error: RunError | None = None
    prompt: str | None = None
    parameters: dict[str, Any] = {}
    dataset: Name | None = None
    run: Name | None = None
    export: Name | None = None
    created_at: datetime
    removed_at: datetime | None = None


class SunsetMark(BaseModel):
    """The latest announcement of a version's end: the shutdown date, and the threshold in days before it."""

    shutdown_date: date
    threshold: int


class Version(VersionView):
    """A version as it is stored; its parameters are stored as text, as they may hold a schema whose order counts."""

    tenant: Name
    parameters: KeptAsText = {}
    sunset: SunsetMark | None = None
    checked_at: datetime | None = None
    verifying_since: datetime | None = None
    seq: int = 0

    @property
    def can_answer(self) -> bool:
        """Whether chats may be sent to the version: it is ready, or nobody could verify it."""
        return self.status in (VersionStatus.READY, VersionStatus.UNVERIFIED)

    @property
    def is_open(self) -> bool:
        """Whether work is left at the version's provider: to deploy it, verify it, or delete it."""
        leaving = self.status == VersionStatus.RETIRED and self.removed_at is None
        return leaving or self.status in (VersionStatus.DEPLOYING, VersionStatus.VERIFYING)


class DeploymentView(BaseModel):
    """Which version is stable, which is candidate, and the candidate's share of users (0-1); `step` counts changes.

    While there is a `hold`, no version is activated but by a person.
    """

    model: Name
    stable: int = 0
    candidate: int | None = None
    share: float = Field(default=0.0, ge=0, le=1)
    previous: int | None = None
    step: int = 0
    reason: str = "created"
    changed_at: datetime
    hold: Hold | None = None


class Deployment(DeploymentView):
    """A deployment as it is stored; the salt decides which users the candidate answers.

    `knows_holds` is false in rows of releases without holds: there the history tells whether a person took one off.
    """

    tenant: Name
    salt: str = ""
    knows_holds: bool = False
    seq: int = 0


class NewModel(NamedTuple):
    """The rows of a newly registered model: the model, version 0, and a deployment on which version 0 is stable."""

    model: Model
    base: Version
    deployment: Deployment


def new_model(tenant: str, name: str, provider: str, base_model: str, now: datetime) -> NewModel:
    """The rows of a model that has no version but its base model."""
    base = Version(
        tenant=tenant,
        model=name,
        number=0,
        provider=provider,
        provider_model=base_model,
        base_model=base_model,
        is_finetuned=False,
        created_at=now,
    )
    model = Model(tenant=tenant, id=name, provider=provider, base_model=base_model, created_at=now)
    return NewModel(model, base, Deployment(tenant=tenant, model=name, changed_at=now, knows_holds=True))


def base_model_in(provider_model: str) -> str:
    """The base model that a provider's model id names: OpenAI's `ft:{base model}:…`, else the id stands for itself."""
    match provider_model.split(":"):
        case ["ft", base, _, *_] if base:
            return base
    return provider_model


class Action(StrEnum):
    """The decision that a line of history records."""

    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    ROLLBACK = "rollback"
    SHARE = "share"
    REFUSE = "refuse"
    RESUME = "resume"


GATE = "gate"  # who decided, in a line of history that no person made


class HistoryEntry(BaseModel):
    """One decision about a model: what was done, why, and the deployment that came of it."""

    model: Name
    step: int
    at: datetime
    action: Action
    reason: str
    stable: int
    candidate: int | None = None
    share: float = 0.0
    evaluation: Name | None = None
    by: str


def with_stable(old: Deployment, version: int, reason: str, now: datetime) -> Deployment:
    """The deployment with all users on `version`; the version that was stable before is kept for a rollback.

    The trial of another candidate ends, and the reason says so.
    """
    if old.stable == version and old.candidate is None:
        return old
    previous = old.previous if old.stable == version else old.stable
    if old.candidate not in (None, version):
        reason = f"{reason} (The trial of version {old.candidate} was ended by this.)"
    return _next_deployment(old, now, stable=version, previous=previous, candidate=None, share=0.0, reason=reason)


def with_rollback(old: Deployment, reason: str, now: datetime) -> Deployment:
    """The deployment without its candidate, or if it has none, with the version that was stable before."""
    if old.candidate is not None:
        return _next_deployment(old, now, candidate=None, share=0.0, reason=reason)
    if old.previous is None:
        raise Conflict("There is nothing to roll back to: no other version was stable before.", code="no_previous")
    return _next_deployment(old, now, stable=old.previous, previous=None, candidate=None, share=0.0, reason=reason)


def with_share(old: Deployment, candidate: int | None, share: float, reason: str, now: datetime) -> Deployment:
    """The deployment with a candidate for a share of users; its salt stays, so a user moves at most once."""
    if candidate is None:
        return _next_deployment(old, now, candidate=None, share=0.0, reason=reason)
    if candidate == old.stable:
        raise Conflict(f"Version {candidate} is stable already; a candidate must be another.", param="candidate")
    salt = old.salt if candidate == old.candidate else digest(old.tenant, old.model, candidate, old.step)[:16]
    return _next_deployment(old, now, candidate=candidate, share=share, salt=salt, reason=reason)


def with_hold(old: Deployment, action: Takeoff, by: str, reason: str, now: datetime) -> Deployment:
    """The deployment with a hold by this person; the refused versions of an earlier hold are kept."""
    refused = old.hold.refused if old.hold else []
    hold = Hold(action=action, by=by, at=now, reason=reason, refused=refused)
    return old.model_copy(update={"hold": hold})


def without_hold(old: Deployment) -> Deployment:
    """The deployment without a hold; the given one if it has none."""
    return old if old.hold is None else old.model_copy(update={"hold": None})


def hold_in(history: Iterable[HistoryEntry]) -> Hold | None:
    """The hold that a history, newest first, amounts to: its last change of what is stable took a version off by hand.

    Refusals and trials change nothing about that.
    """
    decisive = (Action.ACTIVATE, Action.DEACTIVATE, Action.ROLLBACK, Action.RESUME)
    last = next((line for line in history if line.action in decisive), None)
    if last is None or last.by == GATE:
        return None
    match last.action:
        case Action.DEACTIVATE | Action.ROLLBACK:
            return Hold(action=last.action.value, by=last.by, at=last.at, reason=last.reason)
        case Action.ACTIVATE if last.stable == 0:
            return Hold(action="activate", by=last.by, at=last.at, reason=last.reason)
    return None


def _next_deployment(old: Deployment, now: datetime, **changes: Any) -> Deployment:
    return old.model_copy(update={**changes, "step": old.step + 1, "changed_at": now})
