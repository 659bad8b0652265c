"""Prices: what calls and training cost at a price. The figures stand in the catalog, with their dates and sources.

An unknown price is None, never zero.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

from tuneloop.domain.core.numbers import parse_decimal

MILLION = 1_000_000

Usd = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""US dollars: exact decimals inside, JSON numbers outside."""


def _dollars(value: object) -> object:
    """The exact decimal of a JSON number, or of a text that is one; an error for anything else, minus zero too."""
    text = value if isinstance(value, str) else None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        text = f"{Decimal(str(value)):f}"
    amount = parse_decimal(text) if text is not None else None
    if amount is None:
        raise PydanticCustomError("decimal_parsing", "must be a number")
    return amount


GivenUsd = Annotated[Usd, BeforeValidator(_dollars)]
"""US dollars as a caller gives them: a number, or a text of plain digits such as "12.50"."""


class Price(BaseModel):
    """A base model's prices in USD per million tokens; `None` is unknown.

    Prices that begin with `base_` are for calls to the base model itself, the others for calls to a model trained on
    it; `cached` input is what a provider read from its own cache of prompts.
    """

    training_per_1m: Decimal | None = None
    input_per_1m: Decimal | None = None
    cached_input_per_1m: Decimal | None = None
    output_per_1m: Decimal | None = None
    base_input_per_1m: Decimal | None = None
    base_cached_input_per_1m: Decimal | None = None
    base_output_per_1m: Decimal | None = None
    price_date: date
    price_source: str
    cached_price_source: str | None = None
    shutdown_date: date | None = None


def training_cost(price: Price | None, billable_tokens: int) -> Decimal | None:
    """USD for training on that many tokens (epochs counted in), or None where the price is unknown."""
    if price is None or price.training_per_1m is None:
        return None
    return price.training_per_1m * billable_tokens / MILLION


class CallTokens(NamedTuple):
    """Tokens of one call as its provider reports them; None where the provider doesn't.

    `cached` of the prompt's tokens were read from the provider's cache; None where the reported number makes no sense.
    """

    prompt: int | None
    completion: int | None
    cached: int | None = 0

    @property
    def are_known(self) -> bool:
        """Whether the tokens of both prompt and completion are known."""
        return self.prompt is not None and self.completion is not None


class CallCost(NamedTuple):
    """The cost of a call in USD, None if unknown; an `is_upper_bound` cost counts cached tokens at the full price."""

    usd: Decimal | None
    is_upper_bound: bool = False


class Bill(NamedTuple):
    """The cost of several calls: `usd` is the sum of the known costs, None where no call's cost is known.

    `unmetered` counts the calls that the sum leaves out, because their tokens aren't known.
    """

    usd: Decimal | None
    unmetered: int
    is_upper_bound: bool


UNKNOWN_COST = CallCost(None)


def inference_cost(price: Price | None, prompt: int, completion: int, *, is_finetuned: bool) -> Decimal | None:
    """USD for a call of so many tokens, none of them cached, or None where the price is unknown."""
    return call_cost(price, CallTokens(prompt, completion), is_finetuned=is_finetuned).usd


def call_cost(price: Price | None, tokens: CallTokens, *, is_finetuned: bool) -> CallCost:
    """The cost of a call by the tokens that its provider reports."""
    if price is None:
        return UNKNOWN_COST
    input_rate = price.input_per_1m if is_finetuned else price.base_input_per_1m
    cached_rate = price.cached_input_per_1m if is_finetuned else price.base_cached_input_per_1m
    output_rate = price.output_per_1m if is_finetuned else price.base_output_per_1m
    if input_rate is None or output_rate is None:
        return UNKNOWN_COST
    if not input_rate and not output_rate:  # a free call is free however long it is
        return CallCost(Decimal(0))
    if tokens.prompt is None or tokens.completion is None:
        return UNKNOWN_COST
    full_cost = input_rate * tokens.prompt + output_rate * tokens.completion
    if tokens.cached is None or (tokens.cached and cached_rate is None):
        return CallCost(full_cost / MILLION, is_upper_bound=bool(input_rate))
    saved = (input_rate - cached_rate) * tokens.cached if cached_rate is not None else Decimal(0)
    return CallCost((full_cost - saved) / MILLION)


def bill(price: Price | None, calls: Iterable[CallTokens], *, is_finetuned: bool) -> Bill:
    """The cost of calls to one model together; for no calls it is 0 where the price is known, else None."""
    metered = [(tokens.are_known, call_cost(price, tokens, is_finetuned=is_finetuned)) for tokens in calls]
    if not metered:
        return Bill(call_cost(price, CallTokens(0, 0), is_finetuned=is_finetuned).usd, 0, is_upper_bound=False)
    costs = [cost.usd for _, cost in metered if cost.usd is not None]
    return Bill(
        usd=sum(costs, Decimal(0)) if costs else None,
        unmetered=sum(not are_known for are_known, _ in metered),
        is_upper_bound=any(cost.is_upper_bound for _, cost in metered),
    )


def auto_epochs(examples: int) -> int:
    """OpenAI's automatic number of epochs (its cookbook's rule, read 2026-11): 3, more for small sets, fewer for large.

    At least 100 examples are seen where 25 epochs allow that, and at most 25,000 where one epoch isn't more already.
    """
    if examples * 3 < 100:
        return min(25, 100 // max(1, examples))
    return max(1, 25_000 // examples) if examples * 3 > 25_000 else 3
