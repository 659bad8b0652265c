"""A script for OpenAI's fine-tuning against the deployed stack, as the guide has it and with the unmodified package."""

import re
from pathlib import Path

import pytest
from openai import APIStatusError

from tests.e2e.conftest import Command
from tests.functions.openai_guide import code_block, start_script
from tuneloop.domain.core.limits import FILE_BYTES

ENDS_WITHIN_S = 300


def with_key(command: Command) -> Command:
    """The command with a key for all that such a script does."""
    scopes = ("collect", "train", "infer", "read")
    output = command.ok("keys", "create", "wire", *(part for scope in scopes for part in ("--scope", scope)))
    [command.key] = re.findall(r"tl_[\w-]+", output)
    return command


def test_the_guide_s_script_runs_on_the_deployed_stack(command: Command, tmp_path: Path) -> None:
    with start_script(command.stack.base_url, with_key(command).key, tmp_path) as script:
        printed, _ = script.communicate(timeout=ENDS_WITHIN_S)

    assert printed == code_block("text")


def test_a_file_above_the_limit_is_refused_with_the_way_round(command: Command) -> None:
    files = with_key(command).openai().files

    with pytest.raises(APIStatusError, match="/uploads") as refused:
        files.create(file=("train.jsonl", b"x" * (FILE_BYTES + 1)), purpose="fine-tune")
    with pytest.raises(APIStatusError) as by_the_gateway:
        files.create(file=("train.jsonl", b"x" * 5_000_000), purpose="fine-tune")

    assert (refused.value.status_code, by_the_gateway.value.status_code) == (413, 413)
