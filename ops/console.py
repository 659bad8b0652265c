"""What an operator's command says and asks: plain lines, questions that a script can answer, refusals of one line."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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
# What AWS says of credentials that are wrong or have expired.
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
MOST_COUNTED = 100_000
console = Console(highlight=False, emoji=False, soft_wrap=True)


class CommandRefused(Exception):
    """A command that can't go on; the message says why and what to do."""


def say(line: str = "", *, style: str | None = None) -> None:
    """One line, at once, also into a pipe."""
    console.print(line, style=style, markup=False)


def ask(question: str) -> str:
    """What the operator types; nothing where nobody is there to type."""
    if not sys.stdin.isatty():
        say(f"{question} (there is no terminal to ask on)")
        return ""
    return console.input(f"{question} ", markup=False).strip()


def agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: `yes` answers beforehand, for scripts."""
    return yes or ask(f"{question} [y/N]").lower() in {"y", "yes"}


def counted(number: int, what: str) -> str:
    """A number of things in words; above a limit nobody counts on."""
    if number >= MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} {what}s"
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def running(command: Sequence[str], failure: str, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run a command with our terminal; Refusal if it fails, after what it printed itself."""
    finished = subprocess.run(list(command), env=env, cwd=cwd, check=False)  # noqa: S603 - our own commands
    if finished.returncode:
        raise CommandRefused(f"{failure} (status {finished.returncode}; what it says stands above).")


def spoken(command: Callable[[], None]) -> int:
    """Run a command to its exit status; what stops it is one line on standard error, never a traceback of ours."""
    agree_on_region()
    try:
        command()
    except (CommandRefused, ValueError) as error:
        why = str(error)
    except TuneloopError as error:
        why = f"{error.code}: {error.message}"
    except (BotoCoreError, ClientError) as error:
        why = told(error)
    except KeyboardInterrupt:
        why = "Interrupted."
    else:
        return 0
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(why, style="red", markup=False)
    return 1


def told(error: BotoCoreError | ClientError) -> str:
    """What AWS or its library refused, and where that is the operator's own sign-in, how to mend it."""
    if isinstance(error, NoRegionError):
        return SET_REGION
    if isinstance(error, NOT_SIGNED_IN):
        return f"You are not signed in to AWS: {SIGN_IN}"
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in BAD_CREDENTIALS:
        return f"AWS does not take these credentials ({error.response['Error']['Code']}): {SIGN_IN}"
    return f"AWS: {error}"
