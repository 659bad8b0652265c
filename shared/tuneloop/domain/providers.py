"""Providers as a stage knows them: the one that it was deployed with, and those that its operator has added."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.ids import Name


class Kind(StrEnum):
    """Which wire a provider speaks."""

    OPENAI = "openai_compatible"
    BEDROCK = "bedrock"


class RegisteredProvider(BaseModel):
    """How to reach a provider; its key lies in SSM under `key_parameter`, never here.

    `training_type` is what Azure calls the tier of a job, and goes with every create.
    """

    name: Name
    kind: Kind = Kind.OPENAI
    base_url: str = ""
    key_parameter: str = ""
    webhook_parameter: str | None = None
    training_type: str | None = None
    created_at: datetime | None = None
    seq: int = 0


BEDROCK = RegisteredProvider(name="bedrock", kind=Kind.BEDROCK)
"""Amazon Bedrock in the stage's own account and region, where the stage trains there; it needs neither URL nor key."""


def webhook_parameter(stage: str, provider: str) -> str:
    """Where in SSM the secret of a provider's webhooks lies: known without a look at the table, which comes later."""
    return f"/tuneloop/{stage}/providers/{provider}/webhook-secret"
