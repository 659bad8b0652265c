"""What an operator's command says and asks: plain lines, questions that a script can answer, refusals of one line."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from infra.stage import ROOT
from tuneloop.cli.region import agree_on_region
from tuneloop.domain.errors import TuneloopError

console = Console(highlight=False, emoji=False, soft_wrap=True)


class Refusal(Exception):
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


def running(command: Sequence[str], failure: str, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run a command with our terminal; Refusal if it fails, after what it printed itself."""
    finished = subprocess.run(list(command), env=env, cwd=cwd, check=False)  # noqa: S603 - our own commands
    if finished.returncode:
        raise Refusal(f"{failure} (status {finished.returncode}; what it says stands above).")


def spoken(command: Callable[[], None]) -> int:
    """Run a command to its exit status; what stops it is one line on standard error, never a traceback of ours."""
    agree_on_region()
    try:
        command()
    except (Refusal, ValueError) as error:
        why = str(error)
    except TuneloopError as error:
        why = f"{error.code}: {error.message}"
    except (BotoCoreError, ClientError) as error:
        why = f"AWS: {error}"
    except KeyboardInterrupt:
        why = "Interrupted."
    else:
        return 0
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(why, style="red", markup=False)
    return 1
