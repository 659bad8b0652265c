"""Registering by hand: a model that no dataset made, and a version from a provider's model id."""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import Name
from tuneloop.domain.serving.models import Model, Version, base_in, new_model
from tuneloop.domain.serving.verification import BY_REQUEST, to_verify, unknowable
from tuneloop.providers.catalog import dated_name
from tuneloop.store.repositories.models import Models

PARAMETER_CHARACTERS = 8000
PARAMETER_DEPTH = 16  # of the 32 that a row may have
LARGEST_NUMBER = 1e100  # of the 1e126 that a row may hold, and no whole number of more than 38 digits
LARGEST_WHOLE = 10**38
SET_BY_CALLS = frozenset({"model", "messages", "stream", "stream_options", "n"})

NOT_SERVED = ":custom-model/"  # in the ARN of what Bedrock has trained, until it is deployed


class NewModelRequest(BaseModel):
    """A model to register; the stage's provider and base model unless others are named."""

    model_config = ConfigDict(extra="forbid")

    id: Name
    provider: Name | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)


class NewVersionRequest(BaseModel):
    """A provider's model to serve under a model's name, with a prompt and parameters of its own.

    `base_model` is what the provider bills it as, `is_finetuned` at which rate. Without them the provider's id tells:
    `ft:{base model}:…` is a fine-tuned one, any other stands for itself, and its price is unknown if it isn't listed.
    `provider` is where it is served, the model's own unless named. The provider is asked whether it has such a model;
    `verify` as false leaves it unasked, for servers that serve what they don't list.
    """

    model_config = ConfigDict(extra="forbid")

    provider_model: str = Field(min_length=1, max_length=300)
    provider: Name | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    prompt: str | None = Field(default=None, max_length=100_000)
    parameters: dict[str, Any] = Field(default={}, max_length=20)
    is_finetuned: bool | None = Field(default=None, strict=True)
    verify: bool = Field(default=True, strict=True)

    @field_validator("parameters")
    @classmethod
    def _leaves_the_call_its_own(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if taken := SET_BY_CALLS & parameters.keys():
            raise ValueError(f"each call sets {', '.join(sorted(taken))} itself")
        if len(json.dumps(parameters)) > PARAMETER_CHARACTERS:
            raise ValueError(f"at most {PARAMETER_CHARACTERS} characters of JSON")
        _require_storable(parameters, PARAMETER_DEPTH)
        return parameters


def _require_storable(value: Any, depth: int) -> None:
    if not depth:
        raise ValueError(f"lists and objects may stand {PARAMETER_DEPTH} deep in each other")
    if isinstance(value, int | float) and abs(value) >= (LARGEST_WHOLE if isinstance(value, int) else LARGEST_NUMBER):
        raise ValueError("a number is too large")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_storable(part, depth - 1)


def register_model(
    tenant: str, new: NewModelRequest, *, provider: str, default: str, base_model: str, models: Models, now: datetime
) -> Model:
    """A new model that its base model answers for; Conflict where the name is taken."""
    if models.find(tenant, new.id):
        raise Conflict(f"A model named {new.id} exists already.", param="id")
    if provider != default and new.base_model is None:
        message = f"base_model: name one of {provider}'s; the stage's own is of {default}."
        raise InvalidInput(message, param="base_model", code="missing")
    made = new_model(tenant, new.id, provider, dated_name(provider, new.base_model or base_model), now)
    models.register(made)
    return made.model


def register_version(
    tenant: str, name: str, new: NewVersionRequest, *, provider: str | None, models: Models, now: datetime
) -> Version:
    """A version under the model's next number, to be verified; nothing is sent to it until it is activated."""
    model = models.get(tenant, name)
    base_model = new.base_model or base_in(new.provider_model)
    is_finetuned = base_model != new.provider_model if new.is_finetuned is None else new.is_finetuned
    at = provider or model.provider
    if NOT_SERVED in new.provider_model:
        message = "provider_model: Bedrock serves a custom model by its deployment only; give the deployment's ARN."
        raise InvalidInput(message, param="provider_model", code="not_served")
    told = {"provider": at, "base_model": dated_name(at, base_model), "is_finetuned": is_finetuned}
    version = Version(
        tenant=tenant,
        model=name,
        number=model.latest_version + 1,
        created_at=now,
        **new.model_dump(exclude={"verify"}) | told,
    )
    version = to_verify(version, now) if new.verify else unknowable(version, BY_REQUEST, now)
    models.add_version(model, version, now)
    return version
