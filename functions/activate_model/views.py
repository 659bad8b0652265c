"""What callers of the registry routes send and read."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, ConfigDict, Field

from tuneloop.api.router import view
from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.numbers import Share
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.serving.holds import RefusedVersion, describe_wait
from tuneloop.domain.serving.models import Deployment, DeploymentView, Version, VersionNumber, VersionView
from tuneloop.providers.catalog import price_of

Number = Annotated[int, Path(ge=0, le=999_999)]


class Reason(BaseModel):
    """Why it is done, for the history."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="by hand", max_length=500)


class Activation(Reason):
    """The version to activate; the one that served before if none is named."""

    version: VersionNumber | None = None


class DeploymentChange(Reason):
    """The candidate and the share of users (0-1) that it answers; no candidate ends the trial."""

    candidate: VersionNumber | None = None
    share: Share = 0.0


class CurrentDeployment(DeploymentView):
    """What answers for a model now; `waiting_for` says why no version is activated by itself, null where one may be."""

    waiting_for: str | None = None


class ResumedDeployment(CurrentDeployment):
    """A deployment whose hold was lifted, and the versions that it kept from being activated, for a person to choose.

    None of them is activated by that. An empty list: there was no hold, or it kept nothing.
    """

    could_activate: list[RefusedVersion] = Field(default_factory=list)


class ModelView(BaseModel):
    """A model as its users read it."""

    id: Name
    provider: str
    base_model: str
    latest_version: int
    created_at: datetime


class ListedVersion(VersionView):
    """A version in a list, with what keeping its model costs a month; null where that isn't known."""

    storage_per_month_usd: Usd | None = None


def current_deployment(deployment: Deployment) -> CurrentDeployment:
    """A deployment as its users read it, with what its next automatic activation waits for."""
    wait = describe_wait(deployment.model, deployment.hold)
    return view(CurrentDeployment, deployment, waiting_for=wait)


def listed_version(version: Version) -> ListedVersion:
    """A version as a list shows it; the base model, and what its provider no longer has, cost nothing to keep."""
    offer = price_of(version.provider, version.base_model)
    is_kept = version.is_finetuned and version.removed_at is None
    price = offer.storage_per_month if offer else None
    return view(ListedVersion, version, storage_per_month_usd=price if is_kept else Decimal(0))
