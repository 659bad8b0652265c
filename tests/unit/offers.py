"""What a provider charges and how long it takes, and what there is to train on."""

from datetime import date
from typing import Any

from tuneloop.domain.training.estimates import Basis
from tuneloop.domain.training.model_offers import Minutes, Offer

BASIS = Basis(examples=1000, tokens=200_000, test_rows=298, answer_tokens=50)


def an_offer(**changes: Any) -> Offer:
    plain = {
        "training_per_1m": 25,
        "input_per_1m": 3,
        "output_per_1m": 12,
        "base_input_per_1m": 2,
        "base_output_per_1m": 8,
        "fewest_examples": 10,
        "tokens_per_example": 65_536,
        "training_minutes": Minutes(least=5, most=60, least_per_1m=2, most_per_1m=30, source="a guess"),
        "price_date": date(2026, 11, 1),
        "price_source": "a price list",
    }
    return Offer.model_validate(plain | changes)
