"""Providers as a stage knows them: the one that it was deployed with, and those that its operator has added."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel

from tuneloop.domain.errors import Conflict, InvalidInput
from tuneloop.domain.ids import Name

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


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


def key_parameter(stage: str, provider: str) -> str:
    """Where in SSM the key of a provider lies."""
    return f"/tuneloop/{stage}/providers/{provider}/key"


def webhook_parameter(stage: str, provider: str) -> str:
    """Where in SSM the secret of a provider's webhooks lies: known without a look at the table, which comes later."""
    return f"/tuneloop/{stage}/providers/{provider}/webhook-secret"


def checked_address(url: str) -> str:
    """A provider's address without a slash at its end; InvalidInput where a key would be sent there in the open."""
    parts = urlsplit(url.strip())
    is_here = parts.hostname in LOOPBACK
    if not parts.hostname or parts.scheme not in ({"https", "http"} if is_here else {"https"}):
        message = "--base-url: must begin with https://, as a key is sent there; http:// is for this very machine."
        raise InvalidInput(message, param="base_url")
    if parts.username or parts.query or parts.fragment:
        message = "--base-url: must be an address and nothing more: no user, no query, no fragment."
        raise InvalidInput(message, param="base_url")
    return url.strip().rstrip("/")


def unknown_provider(name: str, known: Iterable[str]) -> Conflict:
    """The refusal of a provider that a stage doesn't know, naming those that it knows."""
    there = ", ".join(sorted(known))
    way = f"`tuneloop providers add {name}` makes it known."
    if name == BEDROCK.name:
        way = 'Write `"bedrock": true` in the stage\'s file and deploy: it needs no key.'
    message = f"There is no provider {name}; there is {there}. {way}"
    return Conflict(message, param="provider", code="unknown_provider")
