"""Prices: exact, and None where nobody knows them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tuneloop.domain.pricing import Price, Usd, auto_epochs, inference_cost, training_cost

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
