"""The request and response models of the registry routes."""

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
    """The reason for a decision, which the history shows."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="by hand", max_length=500)


class Activation(Reason):
    """The version to activate; the one that was stable before if none is named."""

    version: VersionNumber | None = None


class DeploymentChange(Reason):
    """The candidate and the share of users (0-1) that it answers; no candidate ends the trial."""

    candidate: VersionNumber | None = None
    share: Share = 0.0


class CurrentDeployment(DeploymentView):
    """A model's deployment now; `waiting_for` says why no version is activated by itself, null if one may be."""

    waiting_for: str | None = None


class ResumedDeployment(CurrentDeployment):
    """A deployment whose hold was lifted, and the versions that the hold refused, for a person to choose from.

    None of those is activated by itself. The list is empty if there was no hold or it refused none.
    """

    could_activate: list[RefusedVersion] = Field(default_factory=list)


class ModelView(BaseModel):
    """A model as the API shows it."""

    id: Name
    provider: str
    base_model: str
    latest_version: int
    created_at: datetime


class ListedVersion(VersionView):
    """A version in a list, with the monthly US dollars that its provider charges to keep it; null if unknown."""

    storage_per_month_usd: Usd | None = None


def current_deployment(deployment: Deployment) -> CurrentDeployment:
    """A deployment as the API shows it, with what its next automatic activation waits for."""
    wait = describe_wait(deployment.model, deployment.hold)
    return view(CurrentDeployment, deployment, waiting_for=wait)


def listed_version(version: Version) -> ListedVersion:
    """A version as a list shows it; keeping a base model, or one that its provider removed, costs nothing."""
    offer = price_of(version.provider, version.base_model)
    is_kept = version.is_finetuned and version.removed_at is None
    price = offer.storage_per_month if offer else None
    return view(ListedVersion, version, storage_per_month_usd=price if is_kept else Decimal(0))
