"""Numbers in texts: what JSON writes, and nothing that Python takes beside it."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.core.numbers import parse_decimal, parse_whole

NONE = [
    "",
    " ",
    "1_0",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "01",
    "-01",
    "-0",
    "--1",
    "0x1",
    "1e1",
    "\uff11",
    "\u0661",
    "\u00b2",
    "true",
]
NO_DECIMALS = [
    *NONE,
    "-0.0",
    "-0.00",
    ".5",
    "5.",
    "1.0.0",
    "1_0.5",
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "1,5",
    "$5",
    "1.5e3",
]


@pytest.mark.parametrize("text", [*NONE, "1.0", "9" * 19, "9" * 5000])
def test_what_is_no_plain_whole_number_is_none(text: str) -> None:
    assert parse_whole(text) is None


@pytest.mark.parametrize("text", [*NO_DECIMALS, "9" * 5000, "0." + "1" * 19])
def test_what_is_no_plain_number_is_none(text: str) -> None:
    assert parse_decimal(text) is None


@given(st.integers(-(10**16), 10**16))
def test_every_whole_number_is_read_as_json_writes_it(number: int) -> None:
    assert parse_whole(json.dumps(number)) == number
    assert parse_decimal(json.dumps(number)) == number


@given(st.decimals(-(10**9), 10**9, places=2).filter(lambda amount: amount != 0))
def test_every_amount_is_read_exactly(amount: Decimal) -> None:
    assert parse_decimal(f"{amount:f}") == amount


@given(st.text())
def test_whatever_is_read_is_a_number_of_json_s(text: str) -> None:
    if (found := parse_decimal(text)) is not None:
        assert json.loads(text, parse_float=Decimal) == found
