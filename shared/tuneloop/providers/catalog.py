"""What base models cost and take, by provider: dated data in `catalog.json`, never code.

What isn't listed is unknown.
"""

import json
from functools import cache
from pathlib import Path

from tuneloop.domain.capabilities import Capabilities, Range
from tuneloop.domain.pricing import Offer

FEWEST = 10
OPENAI_RANGES = {  # read 2026-11
    "n_epochs": Range(least=1, most=50, is_whole=True),
    "batch_size": Range(least=1, most=256, is_whole=True),
    "learning_rate_multiplier": Range(least=1e-6, most=1000),
}
ANY_MODEL = "*"


@cache
def _catalog() -> dict[str, dict[str, Offer]]:
    listed = json.loads(Path(__file__).with_name("catalog.json").read_text("utf-8"))
    return {
        provider: {model: Offer.model_validate(price) for model, price in models.items()}
        for provider, models in listed.items()
    }


def price_of(provider: str, base_model: str) -> Offer | None:
    """What a provider offers for a base model, or None where we don't know it."""
    models = _catalog().get(provider, {})
    return models.get(base_model) or models.get(ANY_MODEL)


def providers() -> list[str]:
    """The providers that anything is known of."""
    return sorted(_catalog())


def listed_models(provider: str) -> list[str]:
    """The base models that are listed for a provider; `*` stands for any."""
    return list(_catalog().get(provider, {}))


def base_models(provider: str, own: str) -> list[str]:
    """The same by name, a dataset's own first."""
    return [own, *(model for model in listed_models(provider) if model not in (own, ANY_MODEL))]


def capabilities_of(provider: str, base_model: str) -> Capabilities:
    """What is known of training a base model at a provider on OpenAI's wire."""
    offer = price_of(provider, base_model)
    fewest = offer.fewest_examples if offer else None
    return Capabilities(
        hyperparameters=OPENAI_RANGES, fewest_examples=fewest or FEWEST, finds_by_run=True, push="webhook"
    )


def is_free(provider: str, base_model: str) -> bool:
    """Whether training there is known to cost nothing."""
    price = price_of(provider, base_model)
    return price is not None and price.training_per_1m == 0
