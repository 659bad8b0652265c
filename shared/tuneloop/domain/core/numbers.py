"""Numbers as texts: what stands in a query, a path, a command or a file of settings, read as JSON writes numbers.

Python's own `int` and `Decimal` also take `1_0`, ` 10`, `+10`, the digits of every script, `NaN` and `-0`, which
nobody means.
"""

import re
from decimal import Decimal

# No sign but a minus before what isn't zero, no leading zeros, no exponent.
NO_MINUS_ZERO = r"(?!-0(\.0+)?\Z)"
WHOLE = re.compile(rf"{NO_MINUS_ZERO}-?(0|[1-9][0-9]*)", re.ASCII)
LONGEST = 18  # digits of any whole number here; Python refuses to read thousands of them
PLAIN = re.compile(rf"{NO_MINUS_ZERO}-?(0|[1-9][0-9]{{0,17}})(\.[0-9]{{1,18}})?", re.ASCII)


def parse_whole(text: str) -> int | None:
    """The whole number that a text is, None where it is none."""
    return int(text) if WHOLE.fullmatch(text) and len(text) <= LONGEST else None


def parse_decimal(text: str) -> Decimal | None:
    """The number that a text is, None where it is none."""
    return Decimal(text) if PLAIN.fullmatch(text) else None


def without_minus_zero(number: float | None) -> float | None:
    """A number that is stored or told; `-0.0`, which JSON can write, is zero."""
    return None if number is None else number + 0.0
