"""Numbers as options of the command: whole ones within bounds, in plain digits."""

from typing import Any

import typer

from tuneloop.domain.core.numbers import whole_in


def whole_option(least: int, most: int | None = None, text: str | None = None) -> Any:
    """An option for a whole number; what Python's `int` takes beyond the digits (`1_0`, ` 10`, `+10`) is refused."""
    bounds = f"a whole number from {least} to {most}" if most else f"a whole number, at least {least}"

    def read(given: object) -> int:
        number = whole_in(str(given))
        if number is None or number < least or (most is not None and number > most):
            raise typer.BadParameter(f"it has to be {bounds}, in plain digits.")
        return number

    return typer.Option(parser=read, metavar="INTEGER", help=text)
