"""Checks of a run before anything is uploaded or spent: when it is requested, and again when it is submitted.

A refusal names the field or the capability, and what would be allowed. Whether a provider has a base model that the
catalog doesn't list is read from its list of models: at the request from one that was read in the last minutes, at the
submission from one that is read anew.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import base_model_in
from tuneloop.domain.training.jobs import RunError, TrainingMethod
from tuneloop.domain.training.model_offers import Capabilities, Offer
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.providers.catalog import ANY_MODEL, listed_models, price_of, unknown_base_model, unlisted_refusal
from tuneloop.providers.port import KEY_ERRORS, Provider
from tuneloop.providers.registry import ModelLists

# A month: a version trained on a base model that ends sooner may stop serving before the next monthly retraining.
SHUTDOWN_SOON = timedelta(days=30)
IDENTICAL_VALIDATION_FILE = (
    "The validation file is identical to the training file, so that its loss would prove nothing. Drop other examples "
    "for validation, or set the policy's share of it to 0."
)
EMPTY_VALIDATION = (
    "Nothing of the validation file is left to validate with: its dataset's policy takes none of it to train."
)
IDENTICAL_VALIDATION_DATASET = (
    "The validation file holds the same examples as the training file: its loss would prove nothing."
)
OTHER_KIND = "The validation file holds {}, the training file {}: both must be of one kind."
KIND_NAMES = {"supervised": "conversations", "preference": "preference pairs"}


def refusal_of(
    provider: Provider,
    base_model: str,
    method: TrainingMethod,
    hyperparameters: dict[str, Any],
    suffix: str,
    now: datetime,
) -> RunError | None:
    """Why a provider won't take a run with these settings, as far as the catalog tells; None if nothing is wrong."""
    capabilities = provider.capabilities(base_model)
    return (
        unlisted_refusal(provider.name, base_model)
        or shutdown_refusal(price_of(provider.name, base_model), now)
        or capabilities.refusal(method, hyperparameters, provider.region, suffix)
    )


def refusal_of_run(run: ControlledRun, export: Export, provider: Provider, now: datetime) -> RunError | None:
    """Why a run can't train on its export, by its settings and its files; None if nothing is wrong."""
    return refusal_of(
        provider, run.base_model, method_of(export), run.hyperparameters, run.model, now
    ) or refusal_of_export(export, provider.capabilities(run.base_model))


def method_of(export: Export) -> TrainingMethod:
    """The training method of an export's kind of examples."""
    return TrainingMethod(export.kind.value)


def refusal_of_export(export: Export, capabilities: Capabilities) -> RunError | None:
    """Why an export can't be trained on: too few examples, or a validation file equal to the training file."""
    train, validation = export.files[Split.TRAIN], export.files[Split.VALIDATION]
    if train.examples < capabilities.fewest_examples:
        message = export.shortage(capabilities.fewest_examples)
        return RunError(code="too_few_examples", message=message, param="dataset")
    if validation.examples and validation.sha256 == train.sha256:
        return RunError(code="same_validation_file", message=IDENTICAL_VALIDATION_FILE, param="dataset")
    return None


def refusal_of_validation(export: Export, validation: Export) -> RunError | None:
    """Why the export `validation` of another dataset can't validate a run that trains on `export`."""
    train, validating = export.files[Split.TRAIN], validation.files[Split.TRAIN]
    if not validating.examples:
        return RunError(code="empty_validation_file", message=EMPTY_VALIDATION, param="validation_file")
    if validating.sha256 == train.sha256:
        return RunError(code="same_validation_file", message=IDENTICAL_VALIDATION_DATASET, param="validation_file")
    if validation.kind != export.kind:
        message = OTHER_KIND.format(KIND_NAMES[validation.kind], KIND_NAMES[export.kind])
        return RunError(code="other_kind", message=message, param="validation_file")
    return None


def missing_base_model(provider: Provider, base_model: str) -> RunError | None:
    """Why a provider can't train a base model: neither the catalog nor the provider's list, read now, has it.

    ProviderUnavailable where the provider's list can't be read.
    """
    if _is_in_catalog(provider, base_model):
        return None
    try:
        names = {model.id for model in provider.models()}
    except ProviderRefused:  # a server that lists nothing
        return None
    return _missing_in(names, provider, base_model)


def missing_in_recent_list(
    provider: Provider, base_model: str, lists: ModelLists, now: datetime, *, needs_key: bool = False
) -> RunError | None:
    """Why a provider can't train a base model, by its list of the last minutes: while a caller waits.

    A provider that can't be asked now is asked when the run is submitted. With `needs_key`, ProviderUnavailable where
    the stage has no key for it, or it doesn't take the key.
    """
    if _is_in_catalog(provider, base_model) and not needs_key:
        return None
    try:
        names = lists.model_names(base_model, provider, now)
    except ProviderUnavailable as error:
        if needs_key and error.code in KEY_ERRORS:
            raise
        return None
    return None if _is_in_catalog(provider, base_model) else _missing_in(names, provider, base_model)


def _is_in_catalog(provider: Provider, base_model: str) -> bool:
    return base_model != ANY_MODEL and base_model in listed_models(provider.name)


def _missing_in(names: Collection[str], provider: Provider, base_model: str) -> RunError | None:
    if not names or base_model in names:
        return None
    # The message names base models only: a trained model may be another tenant's, and its name is enough to call it.
    return unknown_base_model(provider.name, base_model, {name for name in names if base_model_in(name) == name})


def shutdown_warning(offer: Offer | None, now: datetime) -> str | None:
    """The reason to confirm a run on a base model that its provider shuts down within 30 days; None otherwise."""
    if offer is None or offer.shutdown_date is None or not offer.dies_within(SHUTDOWN_SOON, now.date()):
        return None
    days = (offer.shutdown_date - now.date()).days
    instead = f" {offer.successor.provider} has {offer.successor.base_model} instead." if offer.successor else ""
    return (
        f"A confirmation: its provider shuts this base model down, and what is trained from it, on "
        f"{offer.shutdown_date}, in {days} days.{instead}"
    )


def shutdown_refusal(offer: Offer | None, now: datetime) -> RunError | None:
    """Why a base model can't be trained any more: it was shut down, or its provider has stopped training it."""
    if offer is None or (since := offer.closing_date(now.date())) is None:
        return None
    instead = f" Train on {offer.successor.base_model} at {offer.successor.provider}." if offer.successor else ""
    message = f"base_model: its provider trains nothing on it since {since}.{instead}"
    return RunError(code="base_model_shut_down", message=message, param="base_model")
