"""The operator's console: plain lines, questions that a script can answer, and refusals in one line."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from rich.console import Console

from infra.stage import ROOT
from tuneloop.cli import agree_on_region
from tuneloop.domain.core.errors import TuneloopError

SIGN_IN = "sign in (aws sso login, or aws configure; AWS_PROFILE names the profile) and run this again."
SET_REGION = (
    "AWS does not know the region: sign in (aws sso login, or aws configure), set the region "
    "(export AWS_REGION=us-east-1) and run this again."
)
NOT_SIGNED_IN = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
# AWS's error codes for credentials that are wrong or have expired.
BAD_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
# Rows and object versions are counted page by page, which takes time and, for rows, money; above this number the exact
# figure would change nobody's mind about deleting them.
COUNT_LIMIT = 100_000
Parameters = ParamSpec("Parameters")
console = Console(highlight=False, emoji=False, soft_wrap=True)


class CommandRefused(Exception):
    """A command that can't go on; its message says why and what to do."""


def say(line: str = "", *, style: str | None = None) -> None:
    """Print one line at once, also into a pipe."""
    console.print(line, style=style, markup=False)


def ask(question: str) -> str:
    """Return what the operator types; an empty text where there is no terminal to type on."""
    if not sys.stdin.isatty():
        say(f"{question} (there is no terminal to ask on)")
        return ""
    return console.input(f"{question} ", markup=False).strip()


def confirm(question: str, *, yes: bool) -> bool:
    """Ask whether to go on; `yes` answers beforehand, for scripts."""
    return yes or ask(f"{question} [y/N]").lower() in {"y", "yes"}


def count_of(number: int, what: str) -> str:
    """A number of things in words, like `2 rows`; from `COUNT_LIMIT` on, where counting ends, as `more than`."""
    if number >= COUNT_LIMIT:
        return f"more than {COUNT_LIMIT:,} {what}s"
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def run_process(
    command: Sequence[str], failure: str, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> None:
    """Run a program that prints to our terminal; CommandRefused, with `failure` and its status, if it fails."""
    finished = subprocess.run(list(command), env=env, cwd=cwd, check=False)  # noqa: S603 - our own commands
    if finished.returncode:
        raise CommandRefused(f"{failure} (status {finished.returncode}; see its output above).")


def print_refusals(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Decorate a command so that what stops it, Ctrl-C included, is one line on standard error and exit status 1."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        """Run the command; print why it stopped instead of a traceback."""
        agree_on_region()
        try:
            command(*args, **kwargs)
        except (CommandRefused, ValueError) as error:
            why = str(error)
        except TuneloopError as error:
            why = f"{error.code}: {error.message}"
        except (BotoCoreError, ClientError) as error:
            why = aws_error_text(error)
        except KeyboardInterrupt:
            why = "Interrupted."
        else:
            return
        Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(why, style="red", markup=False)
        raise typer.Exit(1)

    return run


def aws_error_text(error: BotoCoreError | ClientError) -> str:
    """One line about an error of AWS or botocore, with what to do where the operator's sign-in is the cause."""
    if isinstance(error, NoRegionError):
        return SET_REGION
    if isinstance(error, NOT_SIGNED_IN):
        return f"You are not signed in to AWS: {SIGN_IN}"
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in BAD_CREDENTIALS:
        return f"AWS does not take these credentials ({error.response['Error']['Code']}): {SIGN_IN}"
    return f"AWS: {error}"
