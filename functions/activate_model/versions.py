"""Versions by hand: models and versions that no run made are registered, versions are retired and deployed again.

No provider is called here. Calls that are due (verify, deploy, remove) are stored as the version's status; the sweep of
check-status makes them afterwards, step by step, and goes on if a process dies on the way.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import Name
from tuneloop.domain.serving.hosting import as_retired, check_retirable, with_redeploy
from tuneloop.domain.serving.models import Model, Version, VersionStatus, base_model_in, new_model
from tuneloop.domain.serving.verification import VERIFY_IS_FALSE, as_unverified, with_verification
from tuneloop.providers.catalog import dated_name
from tuneloop.providers.registry import ProviderNames
from tuneloop.store.repositories.models import Models

# A version's parameters as JSON: they lie in its row, which DynamoDB limits to 400 KB, prompt included.
PARAMETER_CHARACTERS = 8000
PARAMETER_DEPTH = 16  # of the 32 levels that DynamoDB allows in a row, some of which the row itself uses
# DynamoDB stores numbers below 1e126 with at most 38 digits, so a larger one could not be saved.
LARGEST_NUMBER = 1e100
LARGEST_INTEGER = 10**38
# Each call sets these fields: as a parameter of a version one would be overridden, or change the form of every answer.
SET_BY_CALLS = frozenset({"model", "messages", "stream", "stream_options", "n"})
# Part of the ARN of a model that Bedrock trained. Bedrock answers only by the ARN of the model's deployment.
UNDEPLOYED_ARN_PART = ":custom-model/"


class NewModelRequest(BaseModel):
    """A model to register; provider and base model default to the stage's own."""

    model_config = ConfigDict(extra="forbid")

    id: Name
    provider: Name | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)


class NewVersionRequest(BaseModel):
    """A provider's model to serve under a model's name, with a prompt and parameters of its own.

    `base_model` decides which price applies, `is_finetuned` whether it is that of fine-tuned models. By default both
    follow from the provider's id: `ft:{base model}:…` is a fine-tuned model, any other id is a base model, whose price
    is unknown if the catalog doesn't list it. `provider` serves the version, by default the model's own. The provider
    is asked whether it has such a model; `verify: false` skips that, for servers that serve models they don't list.
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
    def _check_parameters(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if taken := SET_BY_CALLS & parameters.keys():
            raise ValueError(f"each call sets {', '.join(sorted(taken))} itself")
        if len(json.dumps(parameters)) > PARAMETER_CHARACTERS:
            raise ValueError(f"at most {PARAMETER_CHARACTERS} characters of JSON")
        _require_storable(parameters, PARAMETER_DEPTH)
        return parameters


def _require_storable(value: Any, depth: int) -> None:
    """Raise ValueError for JSON that a DynamoDB row can't hold: nested deeper than `depth`, or too large a number."""
    if not depth:
        raise ValueError(f"lists and objects may stand {PARAMETER_DEPTH} deep in each other")
    if isinstance(value, int | float) and abs(value) >= (LARGEST_INTEGER if isinstance(value, int) else LARGEST_NUMBER):
        raise ValueError("a number is too large")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_storable(part, depth - 1)


@dataclass(frozen=True)
class RegisterByHand:
    """Registers models without a dataset and versions without a run; `default_base_model` is the stage's own."""

    models: Models
    providers: ProviderNames
    default_base_model: str

    def register_model(self, tenant: str, new: NewModelRequest, now: datetime) -> Model:
        """Register a model, which its base model answers for at first.

        Conflict if the name is taken; InvalidInput if another provider comes without a base model of its own.
        """
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
        """Register a version under the model's next number; it gets no calls until it is activated.

        It is `verifying` until its provider was asked for the model, or `unverified` if the request forbids asking.
        InvalidInput if the id is that of a model on Bedrock instead of its deployment.
        """
        named_provider = self.providers.require(new.provider) if new.provider else None
        model = self.models.get(tenant, name)
        provider = named_provider or model.provider
        base_model = new.base_model or base_model_in(new.provider_model)
        is_finetuned = base_model != new.provider_model if new.is_finetuned is None else new.is_finetuned
        if UNDEPLOYED_ARN_PART in new.provider_model:
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
        version = with_verification(version, now) if new.verify else as_unverified(version, VERIFY_IS_FALSE, now)
        self.models.add_version(model, version, now)
        return version


@dataclass(frozen=True)
class VersionUpkeep:
    """Stores that a version is to be removed from its provider, or to be deployed or verified there once more."""

    models: Models

    def retire(self, tenant: str, model: str, number: int, now: datetime) -> Version:
        """Retire a version for good, so that its provider keeps and bills nothing for it any more.

        Conflict if it is stable or candidate, could be rolled back to, or is the base model.
        """
        deployment = self.models.deployment(tenant, model)
        version = self.models.version(tenant, model, number)
        if version.status == VersionStatus.RETIRED:
            return version
        check_retirable(number, deployment)
        return self.models.retire(as_retired(version, now), deployment)

    def redeploy(self, tenant: str, model: str, number: int, now: datetime) -> Version:
        """Have a version deployed or verified once more; Conflict if neither has failed.

        A version whose deployment failed is trained and paid for, so its provider is asked for another deployment,
        which may succeed now. For a version that was registered by hand, it is asked again whether it has the model.
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
