"""Numbers as texts in a query, a path, a command or a file of settings, parsed only as JSON writes numbers.

Python's own `int` and `Decimal` also accept `1_0`, ` 10`, `+10`, the digits of every script, `NaN` and `-0`, which
nobody means.
"""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

# No sign but a minus before what isn't zero, no leading zeros, no exponent.
NO_MINUS_ZERO = r"(?!-0(\.0+)?\Z)"
WHOLE = re.compile(rf"{NO_MINUS_ZERO}-?(0|[1-9][0-9]*)", re.ASCII)
MOST_DIGITS = 18  # digits: any such number has less than 64 bits, and Python raises for one of thousands of digits
DECIMAL = re.compile(rf"{NO_MINUS_ZERO}-?(0|[1-9][0-9]{{0,17}})(\.[0-9]{{1,18}})?", re.ASCII)

# A number from 0 to 1; `-0.0`, which JSON can write and nobody means, becomes 0.
Share = Annotated[float, Field(ge=0, le=1, strict=True), AfterValidator(abs)]


def parse_whole(text: str) -> int | None:
    """The whole number that a text holds; None where it is none, or has more than 18 digits."""
    return int(text) if WHOLE.fullmatch(text) and len(text) <= MOST_DIGITS else None


def parse_decimal(text: str) -> Decimal | None:
    """The decimal number that a text holds; None where it is none, or has more than 18 digits on either side."""
    return Decimal(text) if DECIMAL.fullmatch(text) else None
