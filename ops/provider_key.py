"""`make provider-key STAGE=prod`: the provider's API key into SSM, from a hidden prompt or a pipe, never from argv."""

import getpass
import sys

import boto3

from infra.stage import Stage, settings_file
from ops.console import CommandRefused, say
from ops.stage_access import caller_identity, has_key

LONGEST = 4096  # what a standard parameter holds; the standard tier costs nothing


def store_provider_key(stage: Stage) -> None:
    """Ask for a stage's key and store it, where its provider needs one."""
    if not stage.needs_key:
        say(no_key_needed(stage))
        return
    caller_identity()  # before a secret is typed that could not be stored
    version = store_key(stage, read_key(stage))
    say(f"{stage.key_parameter} is now version {version}.")
    say("Functions that run already go on with the old key until the provider refuses it, then read the new one.")


def no_key_needed(stage: Stage) -> str:
    """Why no key is asked for; without a file the stage's name may be a slip, or its provider not chosen yet."""
    says = f"Stage {stage.name} trains on Bedrock, which goes by the account's own roles: no key is needed"
    file = settings_file(stage.name)
    return f"{says}." if file.is_file() else f"{says}. Another provider would be named in {file}, and there is none."


def read_key(stage: Stage) -> str:
    """The key as typed without an echo, or as the first line of what is piped in."""
    prompt = f"API key of {stage.provider} for stage {stage.name} (not shown): "
    given = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    key = given.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key or len(key) > LONGEST:
        raise CommandRefused("That is no API key: one word of printable characters was expected. Nothing was stored.")
    return key


def store_key(stage: Stage, key: str) -> int:
    """Put the key as a SecureString, over an older one if there is one; gives the parameter's version."""
    ssm = boto3.client("ssm")
    if has_key(stage) not in {None, "SecureString"}:
        ssm.delete_parameter(Name=stage.key_parameter)  # SSM doesn't change a parameter's type
    put = ssm.put_parameter(Name=stage.key_parameter, Value=key, Type="SecureString", Overwrite=True)
    return int(put["Version"])
