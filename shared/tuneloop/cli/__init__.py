"""The `tuneloop` command.

What operators do with AWS credentials (keys, drops) goes to AWS; what apps may do too (runs, chat) goes to the API.
"""

import sys

from tuneloop.domain.errors import TuneloopError


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit status 1."""
    from rich.console import Console  # noqa: PLC0415 - `tuneloop.cli` is imported by apps without Rich, too

    from tuneloop.cli.commands import cli  # noqa: PLC0415

    try:
        cli()
    except TuneloopError as error:
        Console(stderr=True).print(f"[red]{error.code}[/red]: {error.message}", highlight=False)
        sys.exit(1)
