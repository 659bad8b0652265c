"""Prices: what tokens cost, with the date and source of every figure. An unknown price is None, never zero."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, PlainSerializer

MILLION = 1_000_000

Usd = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""US dollars: exact decimals inside, JSON numbers outside."""


class Price(BaseModel):
    """A base model's prices in USD per million tokens; `None` is unknown."""

    training_per_1m: Decimal | None = None
    input_per_1m: Decimal | None = None
    output_per_1m: Decimal | None = None
    base_input_per_1m: Decimal | None = None
    base_output_per_1m: Decimal | None = None
    price_date: date
    price_source: str
    shutdown_date: date | None = None


def training_cost(price: Price | None, billable_tokens: int) -> Decimal | None:
    """USD for training on that many tokens (epochs counted in), or None where the price is unknown."""
    if price is None or price.training_per_1m is None:
        return None
    return price.training_per_1m * billable_tokens / MILLION


def inference_cost(price: Price | None, prompt: int, completion: int, *, is_finetuned: bool) -> Decimal | None:
    """USD for one call, or None where the price is unknown."""
    if price is None:
        return None
    into = price.input_per_1m if is_finetuned else price.base_input_per_1m
    out = price.output_per_1m if is_finetuned else price.base_output_per_1m
    if into is None or out is None:
        return None
    return (into * prompt + out * completion) / MILLION


def auto_epochs(examples: int) -> int:
    """OpenAI's automatic number of epochs: 3, more for small sets, fewer for large (facts read 2026-11)."""
    if examples * 3 < 100:
        return min(25, 100 // max(1, examples))
    return max(1, 25_000 // examples) if examples * 3 > 25_000 else 3
