"""The catalog: dated prices with a source, and nothing guessed for what isn't listed."""

import json
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from tuneloop.domain.pricing import inference_cost, training_cost
from tuneloop.providers.catalog import is_free, price_of

LISTED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (files("tuneloop") / "providers" / "catalog.json").read_text("utf-8")
)
MODELS = [(provider, model) for provider, models in LISTED.items() for model in models]


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_price_has_a_date_and_a_source(provider: str, model: str) -> None:
    price = price_of(provider, model)

    assert price is not None
    assert date(2026, 1, 1) < price.price_date < date(2027, 1, 1)
    assert len(price.price_source) > 10
    assert price.shutdown_date is None or price.shutdown_date > price.price_date


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_price_is_written_as_an_exact_decimal(provider: str, model: str) -> None:
    prices = {name: value for name, value in LISTED[provider][model].items() if name.endswith("per_1m")}

    assert len(prices) == 5
    assert all(isinstance(value, str) and Decimal(value) >= 0 for value in prices.values())


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
    assert {price.shutdown_date for name in LISTED["openai"] if (price := price_of("openai", name))} == {
        date(2027, 1, 14)
    }
