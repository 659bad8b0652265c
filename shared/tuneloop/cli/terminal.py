"""The terminal: how a command reads whole numbers as options, and on what it prints tables."""

from typing import Any

import typer
from rich.console import Console

from tuneloop.domain.core.numbers import parse_whole

# Columns of a table that goes into a pipe or a file, where there is no terminal to be as wide as: enough for the ids,
# paths and addresses of a row, which rich would break at the 80 that it assumes.
PIPED_WIDTH = 200


def whole_option(least: int, most: int | None = None, text: str | None = None) -> Any:
    """An option for a whole number from `least` to `most`, in digits alone.

    What Python's `int` takes beyond digits (`1_0`, ` 10`, `+10`) is refused, as the API refuses it too.
    """
    bounds = f"a whole number from {least} to {most}" if most else f"a whole number, at least {least}"

    def parse(given: object) -> int:
        """The whole number that was typed; BadParameter where it is none, or out of bounds."""
        number = parse_whole(str(given))
        if number is None or number < least or (most is not None and number > most):
            raise typer.BadParameter(f"it has to be {bounds}, in plain digits.")
        return number

    return typer.Option(parser=parse, metavar="INTEGER", help=text)


def table_console() -> Console:
    """A console for tables: as wide as the terminal, or `PIPED_WIDTH` where the output is piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
