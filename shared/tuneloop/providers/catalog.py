"""What base models cost, by provider: dated data in `catalog.json`, never code. What isn't listed is unknown."""

import json
from functools import cache
from pathlib import Path

from tuneloop.domain.pricing import Price

ANY_MODEL = "*"


@cache
def _catalog() -> dict[str, dict[str, Price]]:
    listed = json.loads(Path(__file__).with_name("catalog.json").read_text("utf-8"))
    return {
        provider: {model: Price.model_validate(price) for model, price in models.items()}
        for provider, models in listed.items()
    }


def price_of(provider: str, base_model: str) -> Price | None:
    """The dated prices of a base model at a provider, or None where we don't know them."""
    models = _catalog().get(provider, {})
    return models.get(base_model) or models.get(ANY_MODEL)


def is_free(provider: str, base_model: str) -> bool:
    """Whether training there is known to cost nothing."""
    price = price_of(provider, base_model)
    return price is not None and price.training_per_1m == 0
