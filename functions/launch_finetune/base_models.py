"""The list of base models: which ones each provider trains, how, where, until when and for how much, by the catalog."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, Self

from pydantic import BaseModel

from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.serving.sunset import Shutdowns, shutdown_of
from tuneloop.domain.training.jobs import TrainingMethod
from tuneloop.domain.training.model_offers import Minutes, Offer, Range, Successor
from tuneloop.providers.catalog import dated_name, listed_models, price_of, providers


class Prices(BaseModel):
    """USD per million tokens, and for a month of storing what was trained; null is unknown, and `note` says why.

    Where the price of cached input is unknown, usage counts it at the full rate and says so (`upper_bound_calls`).
    """

    training_per_1m: Usd | None
    input_per_1m: Usd | None
    cached_input_per_1m: Usd | None
    output_per_1m: Usd | None
    base_input_per_1m: Usd | None
    base_cached_input_per_1m: Usd | None
    base_output_per_1m: Usd | None
    storage_per_month: Usd | None
    date: date
    source: str
    cached_source: str | None
    note: str | None


class Bounds(BaseModel):
    """What a provider takes: examples at least, tokens of one, letters of a suffix, bytes of a file."""

    fewest_examples: int
    tokens_per_example: int | None
    longest_suffix: int
    largest_file_bytes: int | None


class BaseModelView(BaseModel):
    """A base model at a provider; `available` where this stage knows the provider, `*` where any name will do.

    The stage's `is_default` is what runs start from unless a dataset names another. From `training_ends` on nothing is
    trained on it, from `shutdown_date` on it doesn't answer.
    """

    provider: str
    id: str
    available: bool
    is_default: bool = False
    aliases: list[str]
    methods: list[TrainingMethod]
    hyperparameters: dict[str, Range]
    limits: Bounds
    regions: list[str]
    serves_on_demand: bool | None
    prices: Prices
    training_minutes: Minutes | None
    training_ends: date | None
    shutdown_date: date | None
    shutdown_source: str | None
    successor: Successor | None
    source: str

    @classmethod
    def of(cls, provider: str, name: str, offer: Offer, shutdowns: Shutdowns | None, *, available: bool) -> Self:
        """The view of a catalog's offer; its shutdown date is the one that the provider itself gave last, if any."""
        capabilities, shutdown = offer.capabilities(), shutdown_of([name], offer, shutdowns)
        return cls(
            provider=provider,
            id=name,
            available=available,
            aliases=list(offer.aliases),
            methods=list(offer.methods),
            hyperparameters=offer.hyperparameters,
            limits=Bounds(
                fewest_examples=capabilities.fewest_examples,
                tokens_per_example=offer.tokens_per_example,
                longest_suffix=capabilities.longest_suffix,
                largest_file_bytes=capabilities.largest_file_bytes,
            ),
            regions=list(offer.regions),
            serves_on_demand=offer.serves_on_demand,
            prices=_prices(offer),
            training_minutes=offer.training_minutes,
            training_ends=offer.training_ends,
            shutdown_date=shutdown and shutdown.on,
            shutdown_source=shutdown and shutdown.source,
            successor=offer.successor,
            source=offer.source,
        )


class Default(NamedTuple):
    """The provider and base model that a stage trains with unless a dataset names others."""

    provider: str
    base_model: str


def base_models(
    only_provider: str | None, registered: Iterable[str], shutdowns: dict[str, Shutdowns], default: Default
) -> list[BaseModelView]:
    """The base models that the catalog lists, or those of `only_provider`.

    `registered` are the stage's providers. Conflict for a provider that is neither registered nor in the catalog.
    """
    names, listed = set(registered), providers()
    if only_provider is not None and only_provider not in {*names, *listed}:
        message = f"There is no provider {only_provider}; there is {', '.join(sorted({*names, *listed}))}."
        raise Conflict(message, param="provider", code="unknown_provider")
    default_name = dated_name(*default)
    return [
        BaseModelView.of(provider, name, offer, shutdowns.get(provider), available=provider in names).model_copy(
            update={"is_default": (provider, name) == (default.provider, default_name)}
        )
        for provider in listed
        if only_provider in (None, provider)
        for name in dict.fromkeys([*([default_name] if provider == default.provider else []), *listed_models(provider)])
        if (offer := price_of(provider, name))
    ]


def _prices(offer: Offer) -> Prices:
    renamed = {
        "date": offer.price_date,
        "source": offer.price_source,
        "cached_source": offer.cached_price_source,
        "note": offer.price_note,
    }
    return Prices(**offer.model_dump(include=set(Prices.model_fields) - renamed.keys()), **renamed)
