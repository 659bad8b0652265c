"""The catalog: dated prices with a source, and nothing guessed for what isn't listed."""

import json
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from tuneloop.domain.core.pricing import inference_cost, training_cost
from tuneloop.domain.training.jobs import TrainingMethod
from tuneloop.providers.catalog import capabilities_of, dated_name, is_free, price_of, unlisted_refusal

LISTED: dict[str, dict[str, Any]] = json.loads((files("tuneloop") / "providers" / "catalog.json").read_text("utf-8"))
MODELS = [(provider, model) for provider, said in LISTED.items() for model in said["models"]]
NOVA = "amazon.nova-lite-v1:0"


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_price_has_a_date_and_a_source(provider: str, model: str) -> None:
    price = price_of(provider, model)

    assert price is not None
    assert date(2026, 1, 1) < price.price_date < date(2027, 1, 1)
    assert len(price.price_source) > 10
    assert price.shutdown_date is None or price.shutdown_date > price.price_date


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_price_is_written_as_an_exact_decimal(provider: str, model: str) -> None:
    said = LISTED[provider]["models"][model]
    prices = {name: value for name, value in said.items() if name.endswith(("per_1m", "per_month"))}

    assert len(prices) >= 5 or "like" in said
    assert all(value is None or (isinstance(value, str) and Decimal(value) >= 0) for value in prices.values())


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_price_that_is_not_known_says_why(provider: str, model: str) -> None:
    offer = price_of(provider, model)
    assert offer

    prices = {name: value for name, value in offer if name.endswith(("per_1m", "per_month"))}
    known = [value for name, value in prices.items() if "cached" not in name]  # unknown, it counts at the full rate
    cached = [value for name, value in prices.items() if "cached" in name and value]

    assert None not in known or (offer.price_note and len(offer.price_note) > 20)
    assert not cached or (offer.cached_price_source and "2026-1" in offer.cached_price_source)


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_whatever_is_shut_down_says_by_whom_and_names_what_takes_over(provider: str, model: str) -> None:
    offer = price_of(provider, model)
    assert offer
    assert offer.source

    if offer.shutdown_date:
        assert offer.shutdown_source
        assert offer.successor
        assert price_of(offer.successor.provider, offer.successor.base_model)


@pytest.mark.parametrize(
    ("asked", "dated"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("gpt-4.1", "gpt-4.1-2025-04-14"),
        ("gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14"),
        ("gpt-9", "gpt-9"),
    ],
)
def test_a_name_that_moves_leads_to_the_dated_one(asked: str, dated: str) -> None:
    assert dated_name("openai", asked) == dated
    assert price_of("openai", asked) == price_of("openai", dated)
    assert dated_name("trainer", asked) == asked


def test_a_closed_catalog_names_its_models_and_an_open_one_refuses_none() -> None:
    refusal = unlisted_refusal("openai", "gpt-9")

    assert refusal
    assert (refusal.code, refusal.param) == ("unknown_base_model", "base_model")
    assert "gpt-4o-mini-2024-07-18" in refusal.message
    assert unlisted_refusal("openai", "gpt-4o-mini") is None
    assert unlisted_refusal("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc") is None
    assert unlisted_refusal("trainer", "anything") is None
    assert unlisted_refusal("nobody", "anything") is None


def test_a_base_model_says_how_and_where_it_is_trained() -> None:
    nova = capabilities_of("bedrock", NOVA)

    assert nova.refusal(TrainingMethod.SUPERVISED, {"n_epochs": 5, "learning_rate": 1e-5}, "us-east-1") is None
    for method, chosen, region, param in (
        (TrainingMethod.PREFERENCE, {}, "us-east-1", "method"),
        (TrainingMethod.SUPERVISED, {"n_epochs": 6}, "us-east-1", "hyperparameters.n_epochs"),
        (TrainingMethod.SUPERVISED, {"batch_size": 2}, "us-east-1", "hyperparameters.batch_size"),
        (TrainingMethod.SUPERVISED, {}, "eu-central-1", "region"),
    ):
        refusal = nova.refusal(method, chosen, region)
        assert refusal
        assert refusal.param == param


def test_a_retired_hyperparameter_is_refused_by_whoever_is_asked() -> None:
    refusal = capabilities_of("nobody", "any-model").refusal(TrainingMethod.SUPERVISED, {"prompt_loss_weight": 0.1})

    assert refusal
    assert refusal.code == "no_longer_accepted"
    assert refusal.param == "hyperparameters.prompt_loss_weight"


def test_beta_belongs_to_preferences() -> None:
    able = capabilities_of("openai", "gpt-4.1")

    assert able.refusal(TrainingMethod.PREFERENCE, {"beta": 0.5}) is None
    refusal = able.refusal(TrainingMethod.SUPERVISED, {"beta": 0.5})
    assert refusal
    assert "preference" in refusal.message


def test_a_suffix_is_as_long_as_its_provider_takes_it() -> None:
    able = capabilities_of("openai", "gpt-4.1")

    assert able.refusal(TrainingMethod.SUPERVISED, {}, suffix="x" * 64) is None
    refusal = able.refusal(TrainingMethod.SUPERVISED, {}, suffix="x" * 65)
    assert refusal
    assert (refusal.param, "at most 64 characters" in refusal.message) == ("suffix", True)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-9"), ("openai", "*"), ("nobody", "gpt-4.1-2025-04-14"), ("", "")]
)
def test_what_is_not_listed_is_unknown_and_not_free(provider: str, model: str) -> None:
    assert price_of(provider, model) is None
    assert not is_free(provider, model)


def test_a_known_model_costs_what_openai_asks_for_it() -> None:
    price = price_of("openai", "gpt-4.1-mini-2025-04-14")

    assert training_cost(price, 1_000_000) == 5
    assert inference_cost(price, 1_000_000, 1_000_000, is_finetuned=True) == 4
    assert inference_cost(price, 1_000_000, 1_000_000, is_finetuned=False) == 2
    assert not is_free("openai", "gpt-4.1-mini-2025-04-14")


def test_whatever_runs_on_the_trainer_is_free() -> None:
    assert is_free("trainer", "tuneloop-linear-1")
    assert training_cost(price_of("trainer", "any-model"), 10**9) == 0


def test_models_that_openai_shuts_down_say_when() -> None:
    assert {price.shutdown_date for name in LISTED["openai"]["models"] if (price := price_of("openai", name))} == {
        date(2027, 1, 14)
    }
