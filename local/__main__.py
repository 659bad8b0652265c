"""The local stack's command, `python -m local` (`make local`): keeps the stack up until Ctrl-C, with a key to call it.

While the stack is up, `build/local.json` holds its address, key and more for scripts and apps, and `build/local.env`
the same for a shell.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.process import ProcessError, termination_unwinds
from local.stack import ROOT, LocalStack
from tuneloop.app import utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.store.dynamodb import Table
from tuneloop.store.repositories.api_keys import create_key
from tuneloop.store.repositories.tenants import Tenants

DIRECTORY = ROOT / "build" / "local"
CARD = ROOT / "build" / "local.json"
VARIABLES = ROOT / "build" / "local.env"
TENANT = "local"


@termination_unwinds()
def main() -> int:
    """Bring the stack up, print how to call it, and keep it up until a signal; 1 if a process of it fails."""
    try:
        with LocalStack(DIRECTORY, tell=say) as stack, publish_card(stack) as card:
            say(usage(card))
            stack.keep_up()
    except KeyboardInterrupt:
        say("Stopped.")
    except ProcessError as error:
        say(f"{error}")
        return 1
    return 0


@contextmanager
def publish_card(stack: LocalStack) -> Iterator[dict[str, str]]:
    """Keep both files with the stack's address and key there while the stack is up; yields what they say.

    A second `make local` is refused before it comes here, so it does not remove the files of the first.
    """
    card = card_of(stack, make_key(stack))
    try:
        write_privately(CARD, json.dumps(card, indent=2) + "\n")
        write_privately(VARIABLES, shell_variables(stack, card))
        yield card
    finally:
        for file in (CARD, VARIABLES):
            file.unlink(missing_ok=True)


def make_key(stack: LocalStack) -> str:
    """Make a key with every scope, as `tuneloop keys create` does, and return its secret."""
    tenants = Tenants(Table(stack.client("dynamodb"), stack.outputs["TableName"]))
    return create_key(TENANT, frozenset(Scope), tenants=tenants, now=utc_now()).secret


def card_of(stack: LocalStack, api_key: str) -> dict[str, str]:
    """All that a caller of the API needs, and what an operator needs to look inside the stack."""
    return {
        "base_url": stack.base_url,
        "api_key": api_key,
        "base_model": stack.base_model,
        "tenant": TENANT,
        "bucket": stack.outputs["BucketName"],
        "table": stack.outputs["TableName"],
        "trainer_url": stack.trainer.base_url,
        "aws_endpoint_url": stack.aws.url,
        "aws_access_key_id": stack.aws.access_key_id,
        "aws_secret_access_key": stack.aws.secret_access_key,
        "logs": str(stack.directory / "logs"),
        "pid": str(os.getpid()),  # for a script that started `make local` and wants to end it
    }


def usage(card: dict[str, str]) -> str:
    """The card as text, with commands to paste."""
    question = json.dumps({"model": "my-model", "messages": [{"role": "user", "content": "Where is my parcel?"}]})
    return f"""
Tuneloop is up. Ctrl-C ends it; from a script, `kill {card["pid"]}`.

  URL         {card["base_url"]}
  key         {card["api_key"]}
  base model  {card["base_model"]}
  logs        {card["logs"]}
  details     {CARD}

Ask it:

  URL={card["base_url"]}; KEY="Authorization: Bearer {card["api_key"]}"; JSON="Content-Type: application/json"
  curl -s $URL/models -H "$KEY"
  curl -s $URL/models -H "$KEY" -H "$JSON" -d '{{"id": "my-model"}}'
  curl -s $URL/chat/completions -H "$KEY" -H "$JSON" -d '{question}'

See the loop, in another terminal of this folder:

  source {VARIABLES.relative_to(ROOT)}; export PATH="$PWD/.venv/bin:$PATH"
  tuneloop drop {TENANT} support local/data/support.jsonl
  tuneloop runs list
  tuneloop runs watch RUN     # the id from the list; shown until the run has ended
  tuneloop chat support "My refund has not arrived yet."
"""


def shell_variables(stack: LocalStack, card: dict[str, str]) -> str:
    """The environment that the `tuneloop` command needs, as lines for a shell."""
    variables = {**stack.environment(), "TUNELOOP_BASE_URL": card["base_url"], "TUNELOOP_API_KEY": card["api_key"]}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def write_privately(file: Path, text: str) -> None:
    """Write a file that only its owner can read, as it holds keys."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


def say(text: str) -> None:
    """Print a line at once, also into a pipe, where the lines of a stack that stays up would wait in a buffer."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
