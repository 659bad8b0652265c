"""Prices: exact, and None where nobody knows them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tuneloop.domain.core.pricing import (
    Bill,
    CallCost,
    CallTokens,
    Price,
    Usd,
    auto_epochs,
    bill,
    call_cost,
    inference_cost,
    training_cost,
)

TOKENS = st.integers(0, 10**12)
CENTS = st.decimals(0, 1000, places=2)


def a_price(**prices: Any) -> Price:
    return Price(price_date=date(2026, 11, 1), price_source="a price list", **prices)


@given(CENTS, TOKENS)
def test_training_costs_its_tokens_to_the_last_digit(per_million: Decimal, tokens: int) -> None:
    cost = training_cost(a_price(training_per_1m=per_million), tokens)

    assert cost is not None
    assert cost * 1_000_000 == per_million * tokens


def test_a_thousand_tokens_in_and_fifty_out_cost_what_the_list_says() -> None:
    price = a_price(input_per_1m="0.80", output_per_1m="3.20", base_input_per_1m="0.40", base_output_per_1m="1.60")

    assert inference_cost(price, 1000, 50, is_finetuned=True) == Decimal("0.00096")
    assert inference_cost(price, 1000, 50, is_finetuned=False) == Decimal("0.00048")


@pytest.mark.parametrize("price", [None, a_price(), a_price(input_per_1m=1), a_price(output_per_1m=1)])
@pytest.mark.parametrize("is_finetuned", [True, False])
def test_an_unknown_price_is_unknown_and_never_zero(price: Price | None, is_finetuned: bool) -> None:
    assert training_cost(price, 1000) is None
    assert inference_cost(price, 10, 10, is_finetuned=is_finetuned) is None


def test_a_free_model_costs_nothing_and_that_is_known() -> None:
    free = a_price(training_per_1m=0, input_per_1m=0, output_per_1m=0)

    assert training_cost(free, 10**9) == 0
    assert inference_cost(free, 10, 10, is_finetuned=True) == 0


@pytest.mark.parametrize(
    ("examples", "epochs"), [(0, 25), (1, 25), (4, 25), (5, 20), (33, 3), (34, 3), (8333, 3), (8334, 2), (25_001, 1)]
)
def test_automatic_epochs_are_openais(examples: int, epochs: int) -> None:
    assert auto_epochs(examples) == epochs


@given(st.integers(0, 10**7))
def test_more_examples_never_mean_more_epochs(examples: int) -> None:
    assert 1 <= auto_epochs(examples + 1) <= auto_epochs(examples) <= 25


@given(st.decimals(0, 10**6, places=8))
def test_money_leaves_as_a_number_and_comes_back_the_same(amount: Decimal) -> None:
    class Bill(BaseModel):
        usd: Usd

    text = Bill(usd=amount).model_dump_json()

    assert '"usd":"' not in text
    assert Bill.model_validate_json(text).usd == amount


PRICED = {"input_per_1m": 2, "cached_input_per_1m": "0.5", "output_per_1m": 8}


@pytest.mark.parametrize(
    ("tokens", "usd", "is_upper_bound"),
    [
        (CallTokens(1000, 100), "0.0028", False),
        (CallTokens(1000, 100, cached=600), "0.0019", False),
        (CallTokens(1000, 100, cached=1000), "0.0013", False),
        (CallTokens(1000, 100, cached=None), "0.0028", True),
        (CallTokens(None, 100), None, False),
        (CallTokens(1000, None), None, False),
        (CallTokens(None, None, cached=None), None, False),
    ],
)
def test_cached_tokens_cost_less_and_unknown_ones_an_unknown_sum(
    tokens: CallTokens, usd: str | None, is_upper_bound: bool
) -> None:
    cost = call_cost(a_price(**PRICED), tokens, is_finetuned=True)

    assert cost == CallCost(None if usd is None else Decimal(usd), is_upper_bound)


def test_cached_tokens_of_unknown_price_count_in_full_and_it_is_said() -> None:
    price = a_price(
        input_per_1m=2, output_per_1m=8, base_input_per_1m=1, base_cached_input_per_1m=0, base_output_per_1m=4
    )

    assert call_cost(price, CallTokens(1000, 100, 600), is_finetuned=True) == CallCost(Decimal("0.0028"), True)
    assert call_cost(price, CallTokens(1000, 100, 600), is_finetuned=False) == CallCost(Decimal("0.0008"), False)
    assert call_cost(price, CallTokens(1000, 100, 0), is_finetuned=True).is_upper_bound is False


def test_a_free_call_is_free_even_where_nobody_tells_its_tokens() -> None:
    free = a_price(input_per_1m=0, output_per_1m=0)

    assert call_cost(free, CallTokens(None, None, None), is_finetuned=True) == CallCost(Decimal(0), False)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_call_costs_no_more_than_uncached_and_no_less_than_all_cached(prompt: int, out: int, cached: int) -> None:
    price = a_price(**PRICED)
    costs = [
        call_cost(price, CallTokens(prompt, out, part), is_finetuned=True).usd
        for part in (prompt, min(cached, prompt), 0)
    ]

    assert None not in costs
    assert costs == sorted(cost for cost in costs if cost is not None)


@pytest.mark.parametrize(
    ("calls", "made"),
    [
        ([], Bill(Decimal(0), 0, is_upper_bound=False)),
        ([CallTokens(1000, 100), CallTokens(1000, 0, 1000)], Bill(Decimal("0.0033"), 0, is_upper_bound=False)),
        ([CallTokens(1000, 100), CallTokens(None, 5)], Bill(Decimal("0.0028"), 1, is_upper_bound=False)),
        ([CallTokens(1000, 100, None), CallTokens(None, 5)], Bill(Decimal("0.0028"), 1, is_upper_bound=True)),
        ([CallTokens(None, None), CallTokens(None, 5)], Bill(None, 2, is_upper_bound=False)),
    ],
)
def test_a_bill_leaves_unmetered_calls_out_and_counts_them(calls: list[CallTokens], made: Bill) -> None:
    assert bill(a_price(**PRICED), calls, is_finetuned=True) == made


def test_a_bill_at_an_unknown_price_is_unknown_however_few_calls_it_has() -> None:
    assert bill(None, [], is_finetuned=True).usd is None
    assert bill(None, [CallTokens(5, 5)], is_finetuned=True) == Bill(None, 0, is_upper_bound=False)
