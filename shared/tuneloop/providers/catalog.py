"""The catalog: what base models cost and accept, by provider, as dated data in `catalog.json`.

A base model that isn't listed is unknown. A provider's `defaults` hold for each of its models; a model that is `like`
another takes over the fields that it doesn't set itself. A `closed` catalog lists all that its provider trains; `*`
stands for every model that isn't listed, and `known` gives some of their names.
"""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from tuneloop.domain.core.redaction import safe_model_id
from tuneloop.domain.serving.models import base_model_in
from tuneloop.domain.training.jobs import RunError, TrainingMethod
from tuneloop.domain.training.model_offers import Capabilities, Offer, Range

ANY_MODEL = "*"
# Bedrock names a base model by its maker and a dot (`amazon.nova-micro-v1:0`). What begins with this one is trained by
# this repository's trainer, which speaks Bedrock's wire on this machine: AWS has none of it.
TRAINER_PREFIX = "tuneloop."


class TrainingPlace(NamedTuple):
    """A provider, and a base model that it trains."""

    provider: str
    base_model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.base_model}"


# What a new stage trains, too: Bedrock takes jobs from anybody, and this is its model whose every price has a source.
RECOMMENDED = TrainingPlace("bedrock", "amazon.nova-micro-v1:0")
MOST_NAMED = 20
# Of hundreds of names a refusal lists 20, those that are most like the mistyped one first, so that it is found at once.
# Three, the default of `get_close_matches`: beyond those come names that were not meant.
MOST_ALIKE = 3
LONGEST_NAME = 300  # comparing grows with the square of it, and a body may hold a name of megabytes
WIRE_RANGES = {  # what OpenAI's wire knows; a server of which nothing is listed decides by itself within
    "n_epochs": Range(least=1, most=50, is_whole=True),
    "batch_size": Range(least=1, most=256, is_whole=True),
    "learning_rate_multiplier": Range(least=1e-6, most=1000),
    "beta": Range(least=1e-6, most=2),
}


class _Section(BaseModel):
    """What is known of one provider."""

    closed: bool = False
    known: tuple[str, ...] = ()
    models: dict[str, Offer] = {}
    dated: dict[str, str] = {}


@cache
def _catalog() -> dict[str, _Section]:
    catalog = json.loads(Path(__file__).with_name("catalog.json").read_text("utf-8"))
    return {provider: _section(**fields) for provider, fields in catalog.items()}


def _section(
    closed: bool, defaults: dict[str, Any], models: dict[str, dict[str, Any]], known: tuple[str, ...] = ()
) -> _Section:
    offers = {}
    for name, fields in models.items():
        own = dict(fields)
        offers[name] = Offer.model_validate(defaults | models.get(own.pop("like", ""), {}) | own)
    dated = {alias: name for name, offer in offers.items() for alias in offer.aliases}
    return _Section(closed=closed, known=known, models=offers, dated=dated)


def _section_of(provider: str) -> _Section:
    return _catalog().get(provider, _Section())


def price_of(provider: str, base_model: str) -> Offer | None:
    """What a provider offers for a base model, or None where we don't know it."""
    models = _section_of(provider).models
    return models.get(dated_name(provider, base_model)) or models.get(ANY_MODEL)


def dated_name(provider: str, base_model: str) -> str:
    """The name that a base model has at a provider for ever, where it was asked for by one that moves."""
    return _section_of(provider).dated.get(base_model, base_model)


def providers() -> list[str]:
    """The providers that anything is known of."""
    return sorted(_catalog())


def listed_models(provider: str) -> list[str]:
    """The base models that are listed for a provider; `*` stands for any."""
    return list(_section_of(provider).models)


def places_of(base_model: str) -> list[tuple[str, Offer]]:
    """The providers that know a base model by a name, an alias or `PROVIDER/NAME`, and what each offers for it."""
    at, slash, name = base_model.partition("/")
    if slash and (offer := price_of(at, name)):
        return [(at, offer)]
    return [
        (provider, offer)
        for provider in providers()
        if base_model in named_models(provider) or base_model in _section_of(provider).dated
        if (offer := price_of(provider, base_model))
    ]


def named_models(provider: str) -> list[str]:
    """The base models of a provider that are known by a name, of those that it doesn't list too."""
    section = _section_of(provider)
    return [*(name for name in section.models if name != ANY_MODEL), *section.known]


def is_local(base_model: str) -> bool:
    """Whether a base model of another provider's list is this repository's trainer in its place."""
    return base_model.startswith(TRAINER_PREFIX)


def base_models(provider: str, own: str) -> list[str]:
    """Names of the base models that a provider is known to train, a dataset's own first."""
    return [own, *(model for model in listed_models(provider) if model not in (own, ANY_MODEL))]


def unlisted_refusal(provider: str, base_model: str) -> RunError | None:
    """Why a base model can't be trained at a provider whose every base model is listed; None where it may be."""
    section = _section_of(provider)
    if not section.closed or base_model_in(dated_name(provider, base_model)) in section.models:
        return None
    return unknown_base_model(provider, base_model, section.models)


def unknown_base_model(provider: str, base_model: str, known: Iterable[str]) -> RunError:
    """The refusal of a base model that a provider doesn't have, naming those that it has, the likest first."""
    names = sorted(known)
    alike = get_close_matches(base_model[:LONGEST_NAME], names, n=MOST_ALIKE)
    names = [*alike, *(name for name in names if name not in alike)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    allowed = f"it has {', '.join(names[:MOST_NAMED])}{more}" if names else "it names none"
    message = f"base_model: {provider} has no base model {safe_model_id(base_model)}; {allowed}."
    return RunError(code="unknown_base_model", message=message, param="base_model")


def capabilities_of(provider: str, base_model: str) -> Capabilities:
    """What is known of training a base model at a provider on OpenAI's wire."""
    more = {"finds_by_run": True, "push": "webhook"}
    if offer := price_of(provider, base_model):
        return offer.capabilities(**more)
    either = (TrainingMethod.SUPERVISED, TrainingMethod.PREFERENCE)
    return Capabilities.model_validate({"methods": either, "hyperparameters": WIRE_RANGES, **more})


def is_free(provider: str, base_model: str) -> bool:
    """Whether training there is known to cost nothing."""
    price = price_of(provider, base_model)
    return price is not None and price.training_per_1m == 0
