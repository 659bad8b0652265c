"""The screen: as wide as the terminal, and where the output goes into a pipe as wide as whole words need."""

from rich.console import Console

PIPED = 200  # columns


def screen() -> Console:
    """What tables are printed on."""
    own = Console(highlight=False)
    return own if own.is_terminal else Console(highlight=False, width=PIPED)
