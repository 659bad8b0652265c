"""The command that stores the provider's API key in SSM: `make provider-key STAGE=prod`.

The key comes from a hidden prompt or a pipe, never from the command line, which the shell's history keeps and other
users of the machine can list.
"""

import getpass
import sys

import boto3

from infra.stage import Stage, settings_file
from ops.console import CommandRefused, say
from ops.stage_access import caller_identity, key_parameter_type

# The most that a parameter of SSM's standard tier holds, which costs nothing.
MAX_KEY_LENGTH = 4096


def store_provider_key(stage: Stage) -> None:
    """Ask for a stage's key and store it, where its provider needs one."""
    if not stage.needs_key:
        say(no_key_needed(stage))
        return
    caller_identity()  # refuses before somebody types a secret that could not be stored
    version = store_key(stage, read_key(stage))
    say(f"{stage.key_parameter} is now version {version}.")
    say("Functions that are running keep the old key until the provider refuses it, then read the new one.")


def no_key_needed(stage: Stage) -> str:
    """Why a stage on Bedrock is not asked for a key.

    Without a settings file its name may be mistyped, or its provider not chosen yet, so the sentence names that file.
    """
    reason = f"Stage {stage.name} trains on Bedrock, which uses the account's own roles: no key is needed"
    file = settings_file(stage.name)
    if file.is_file():
        return f"{reason}."
    return f"{reason}. Another provider would be named in {file}, which does not exist."


def read_key(stage: Stage) -> str:
    """The key, typed without an echo or read from the first line of a pipe; CommandRefused for what is no key."""
    prompt = f"API key of {stage.provider} for stage {stage.name} (not shown): "
    line = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    key = line.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key or len(key) > MAX_KEY_LENGTH:
        raise CommandRefused("That is no API key: one word of printable characters was expected. Nothing was stored.")
    return key


def store_key(stage: Stage, key: str) -> int:
    """Store the key as a SecureString, over an older one if there is one; returns the parameter's version."""
    ssm = boto3.client("ssm")
    if key_parameter_type(stage) not in {None, "SecureString"}:
        ssm.delete_parameter(Name=stage.key_parameter)  # SSM does not change a parameter's type
    answer = ssm.put_parameter(Name=stage.key_parameter, Value=key, Type="SecureString", Overwrite=True)
    return int(answer["Version"])
