"""The `tuneloop` command.

Commands for operators (keys, drops) call AWS with the operator's credentials; commands that apps could do too (runs,
chat) call the API.
"""

import os
import sys
from collections.abc import MutableMapping

from tuneloop.domain.core.errors import TuneloopError

OFFLINE = {"validate", "estimate", "convert"}  # commands that only read local files, for which no AWS client is loaded
EXTRA = {"rich", "typer"}  # packages that only the extra `cli` installs


def main() -> None:
    """Run the command; an error is printed as one line on standard error, with exit status 1."""
    aws_errors: tuple[type[Exception], ...] = ()
    try:
        from rich.console import Console  # noqa: PLC0415 - only the command needs all this
        from rich.text import Text  # noqa: PLC0415

        if sys.argv[1:2] and sys.argv[1] in OFFLINE:
            from tuneloop.cli.offline import cli  # noqa: PLC0415
        else:
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

            from tuneloop.cli.commands import cli  # noqa: PLC0415

            aws_errors = (BotoCoreError, ClientError)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        sys.exit(f"The tuneloop command needs {missing}, which an app doesn't: pip install 'tuneloop[cli]'")

    agree_on_region()
    try:
        cli()
    except TuneloopError as error:
        code, message = error.code, error.message
    except aws_errors as error:
        code, message = "aws", f"{error} (Are region and credentials set, and is the stage deployed?)"
    else:
        return
    Console(stderr=True, soft_wrap=True).print(Text.assemble((code, "red"), f": {message}"))
    sys.exit(1)


def agree_on_region(environment: MutableMapping[str, str] = os.environ) -> None:
    """Copy AWS_REGION to AWS_DEFAULT_REGION, so that boto3 uses the same region as the CDK and the `aws` command.

    The CDK and `aws` read AWS_REGION first; boto3 reads only AWS_DEFAULT_REGION.
    """
    if region := environment.get("AWS_REGION"):
        environment["AWS_DEFAULT_REGION"] = region
