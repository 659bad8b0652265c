"""What callers of the registry routes send and read."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.domain.ids import Name
from tuneloop.domain.registry import VersionNumber


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
    share: float = Field(default=0.0, ge=0, le=1)


class ModelView(BaseModel):
    """A model as its users read it."""

    id: Name
    provider: str
    base_model: str
    latest_version: int
    created_at: datetime
