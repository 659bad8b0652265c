"""Versions by hand: registering models and versions that no run made, retiring versions, deploying them once more.

Nothing is sent to a provider here. What is to be removed, made or asked at a provider is written down with the version;
the sweep of check-status does it afterwards, step by step, however often a process dies on the way.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import Name
from tuneloop.domain.serving.hosting import as_retired, check_retirable, with_redeploy
from tuneloop.domain.serving.models import Model, Version, VersionStatus, base_in, new_model
from tuneloop.domain.serving.verification import BY_REQUEST, as_unverified, with_verification
from tuneloop.providers.catalog import dated_name
from tuneloop.providers.registry import KnownProviders
from tuneloop.store.repositories.models import Models

PARAMETER_CHARACTERS = 8000  # of JSON: it lies in the version's row, which holds 400 KB with its prompt
PARAMETER_DEPTH = 16  # of the 32 that a row may have
LARGEST_NUMBER = 1e100  # of the 1e126 that a row may hold, and no whole number of more than 38 digits
LARGEST_WHOLE = 10**38
# What a call itself says: as a parameter of a version it would be overridden, or change the form of every answer.
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


@dataclass(frozen=True)
class RegisterByHand:
    """Registers models that no dataset made and versions that no run made; the defaults are the stage's own."""

    models: Models
    providers: KnownProviders
    default_base_model: str

    def register_model(self, tenant: str, new: NewModelRequest, now: datetime) -> Model:
        """Register a model that its base model answers for; Conflict where the name is taken."""
        provider = self.providers.require(new.provider)
        if self.models.find(tenant, new.id):
            raise Conflict(f"A model named {new.id} exists already.", param="id")
        if provider != self.providers.default and new.base_model is None:
            message = f"base_model: name one of {provider}'s; the stage's own is of {self.providers.default}."
            raise InvalidInput(message, param="base_model", code="missing")
        base_model = dated_name(provider, new.base_model or self.default_base_model)
        registered = new_model(tenant, new.id, provider, base_model, now)
        self.models.register(registered)
        return registered.model

    def register_version(self, tenant: str, name: str, new: NewVersionRequest, now: datetime) -> Version:
        """Register a version under the model's next number; no call is sent to it until it is activated.

        It is `verifying` until its provider was asked for its model, or `unverified` where the request forbids asking.
        """
        named_provider = self.providers.require(new.provider) if new.provider else None
        model = self.models.get(tenant, name)
        provider = named_provider or model.provider
        base_model = new.base_model or base_in(new.provider_model)
        is_finetuned = base_model != new.provider_model if new.is_finetuned is None else new.is_finetuned
        if NOT_SERVED in new.provider_model:
            message = "provider_model: Bedrock serves a custom model by its deployment only; give the deployment's ARN."
            raise InvalidInput(message, param="provider_model", code="not_served")
        version = Version(
            tenant=tenant,
            model=name,
            number=model.latest_version + 1,
            provider=provider,
            provider_model=new.provider_model,
            base_model=dated_name(provider, base_model),
            is_finetuned=is_finetuned,
            prompt=new.prompt,
            parameters=new.parameters,
            created_at=now,
        )
        version = with_verification(version, now) if new.verify else as_unverified(version, BY_REQUEST, now)
        self.models.add_version(model, version, now)
        return version


@dataclass(frozen=True)
class VersionUpkeep:
    """Writes down what is to become of a version at its provider."""

    models: Models

    def retire(self, tenant: str, model: str, number: int, now: datetime) -> Version:
        """Retire a version for good, so that its provider keeps and bills nothing for it any more.

        Conflict where it serves, is tried, could be rolled back to, or is the base model.
        """
        deployment = self.models.deployment(tenant, model)
        version = self.models.version(tenant, model, number)
        if version.status == VersionStatus.RETIRED:
            return version
        check_retirable(number, deployment)
        return self.models.retire(as_retired(version, now), deployment)

    def redeploy(self, tenant: str, model: str, number: int, now: datetime) -> Version:
        """Have a version deployed or verified once more; Conflict where neither has failed.

        A version whose deployment failed is trained and paid for, and its provider may manage it now: it is asked for
        another deployment. Of a version that was registered by hand it is asked once more whether it has the model.
        """
        version = self.models.version(tenant, model, number)
        if version.status in (VersionStatus.DEPLOYING, VersionStatus.VERIFYING):
            return version
        if version.status in (VersionStatus.FAILED, VersionStatus.UNVERIFIED):
            return self.models.verify(with_verification(version, now), now)
        if version.status != VersionStatus.DEPLOY_FAILED:
            message = (
                f"Version {number} is {version.status}; only one that is deploy_failed, failed or unverified can be "
                "deployed again."
            )
            raise Conflict(message, param="version", code="not_failed")
        return self.models.save_version(with_redeploy(version, now))
