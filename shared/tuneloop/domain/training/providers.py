"""Registered providers: the one that a stage was deployed with, and those that its operator has added."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.core.addresses import address_fault
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import Name

# The stage of `make local`, which always runs on this machine; other stages do where they are deployed to an emulator.
LOCAL_STAGE = "local"


class ProviderKind(StrEnum):
    """Which wire a provider speaks."""

    OPENAI = "openai_compatible"
    BEDROCK = "bedrock"


class RegisteredProvider(BaseModel):
    """How to reach a provider; its key lies in SSM under `key_parameter`, never here.

    `training_type` is Azure's word for the tier of a job, and goes with every create.
    """

    name: Name
    kind: ProviderKind = ProviderKind.OPENAI
    base_url: str = ""
    key_parameter: str = ""
    webhook_parameter: str | None = None
    training_type: str | None = None
    created_at: datetime | None = None
    seq: int = 0


BEDROCK = RegisteredProvider(name="bedrock", kind=ProviderKind.BEDROCK)
"""Amazon Bedrock in the stage's own account and region, where the stage trains there; it needs neither URL nor key."""


def key_parameter(stage: str, provider: str) -> str:
    """Where in SSM the key of a provider lies."""
    return f"/tuneloop/{stage}/providers/{provider}/key"


def webhook_parameter(stage: str, provider: str) -> str:
    """Where in SSM the secret of a provider's webhooks lies.

    It follows from the names alone, so that a webhook's signature is checked before anything is read from the table.
    """
    return f"/tuneloop/{stage}/providers/{provider}/webhook-secret"


def checked_address(url: str, *, is_emulated: bool) -> str:
    """A provider's address for a stage, without a slash at its end; InvalidInput where a key must not be sent there.

    A stage that is deployed to an emulator of AWS on this machine (`is_emulated`) may have its provider here too.
    """
    url = url.strip()
    if fault := address_fault(url, is_local=is_emulated):
        raise InvalidInput(f"--base-url: {fault}.", param="base_url")
    return url.rstrip("/")


def unknown_provider(name: str, known: Iterable[str]) -> Conflict:
    """The refusal of a provider that a stage doesn't know, naming those that it knows."""
    there = ", ".join(sorted(known))
    way = f"`tuneloop providers add {name}` makes it known."
    if name == BEDROCK.name:
        way = 'Write `"bedrock": true` in the stage\'s file and deploy: it needs no key.'
    message = f"There is no provider {name}; there is {there}. {way}"
    return Conflict(message, param="provider", code="unknown_provider")
