"""`tuneloop convert`: another format beside the file or in its place, and nothing left behind by a refusal."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from tests.examples import chat
from tuneloop.cli.commands import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["convert", *arguments])


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_file_is_converted_beside_itself_and_its_bad_lines_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"), {"messages": []})

    done = run(str(file), "--to", "bedrock-conversation")

    assert (done.exit_code, "left out: invalid 1" in done.output) == (0, True)
    [line] = (tmp_path / "train.bedrock-conversation.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"][-1] == {"role": "assistant", "content": [{"text": "on its way"}]}


def test_a_file_may_be_converted_in_its_own_place(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("prompt,completion\nWhere is it?,on its way\n")

    done = run(str(file), "--to", "openai-sft", "--output", str(file))

    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in file.read_text().splitlines()] == [chat("Where is it?", "on its way")]


def test_what_can_t_be_converted_leaves_no_file(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))

    done = run(str(file), "--to", "openai-preference")

    assert (done.exit_code, "no answer that wasn't preferred" in done.output) == (2, True)
    assert list(tmp_path.iterdir()) == [file]
