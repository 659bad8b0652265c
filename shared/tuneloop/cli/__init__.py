"""The `tuneloop` command.

What operators do with AWS credentials (keys, drops) goes to AWS; what apps may do too (runs, chat) goes to the API.
"""

import sys

from tuneloop.domain.errors import TuneloopError


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit status 1."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only the command needs all this
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from tuneloop.cli.commands import cli  # noqa: PLC0415

    try:
        cli()
    except TuneloopError as error:
        code, message = error.code, error.message
    except (BotoCoreError, ClientError) as error:
        code, message = "aws", f"{error} (Are region and credentials set, and is the stage deployed?)"
    else:
        return
    Console(stderr=True, soft_wrap=True).print(Text.assemble((code, "red"), f": {message}"))
    sys.exit(1)
