"""The terminal: options for whole numbers, and the console for tables."""

from typing import Any

import typer
from rich.console import Console

from tuneloop.domain.core.numbers import parse_whole

# Columns of a table that is written to a pipe or a file: wide enough for a row's ids, paths and addresses, which rich
# would break at the 80 columns that it assumes without a terminal.
PIPED_WIDTH = 200


def whole_option(least: int, most: int | None = None, text: str | None = None) -> Any:
    """An option for a whole number from `least` to `most`, in plain digits.

    Other forms that Python's `int` accepts (`1_0`, ` 10`, `+10`) are refused, as the API refuses them too.
    """
    bounds = f"a whole number from {least} to {most}" if most else f"a whole number, at least {least}"

    def parse(value: object) -> int:
        """Parse the option's value; BadParameter if it isn't a whole number within the bounds."""
        number = parse_whole(str(value))
        if number is None or number < least or (most is not None and number > most):
            raise typer.BadParameter(f"it must be {bounds}, in plain digits.")
        return number

    return typer.Option(parser=parse, metavar="INTEGER", help=text)


def table_console() -> Console:
    """A console for tables, as wide as the terminal, or `PIPED_WIDTH` if the output is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
