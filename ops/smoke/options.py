"""What may be said to the smoke test: amounts that make no sense are refused before anything is looked at or made."""

import argparse
from decimal import Decimal

from ops.console import CommandRefused
from tuneloop.domain.core.numbers import parse_decimal

LONGEST_WAIT = 1440  # minutes


def smoke_arguments() -> argparse.Namespace:
    """The smoke test's arguments; Refusal for a cap or a time-out that can't be."""
    parser = argparse.ArgumentParser(prog="python -m ops.smoke", description="Run the loop on a deployed stage.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--cap", type=_dollars, default=Decimal("1.00"), help="US dollars that it may cost at most")
    parser.add_argument("--timeout", type=_minutes, default=120.0, help="minutes to wait for the training run")
    parser.add_argument("--unpriced", action="store_true", help="go on although the provider's price is not known")
    parser.add_argument("--yes", action="store_true", help="go on without asking, for scripts")
    return parser.parse_args()


def _dollars(text: str) -> Decimal:
    value = parse_decimal(text)
    if value is None or value < 0:
        raise CommandRefused(f"CAP={text} is no amount of dollars, like 1.00. Nothing was made.")
    return value


def _minutes(text: str) -> float:
    value = parse_decimal(text)
    if value is None or not 0 < value <= LONGEST_WAIT:
        raise CommandRefused(
            f"TIMEOUT={text}: it has to be minutes, above 0 and at most {LONGEST_WAIT}. Nothing was made."
        )
    return float(value)
