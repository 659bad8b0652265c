"""The screen: as wide as the terminal, and where the output goes into a pipe as wide as whole words need."""

import os

from rich.console import Console

PIPED = 200  # columns


def screen() -> Console:
    """What tables are printed on."""
    own = Console(highlight=False)
    return own if own.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPED)
