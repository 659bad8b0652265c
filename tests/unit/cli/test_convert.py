"""`tuneloop convert`: another format beside the file or in its place, and nothing left behind by a refusal."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.examples import chat
from tuneloop.cli.commands import cli
from tuneloop.cli.convert import REASONS
from tuneloop.domain.exports.conversions import LEFT_OUT_REASONS


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.v1.jsonl", "a.v1"), ("a.v2.JSONL.gz", "a.v2"), ("jsonl.csv", "jsonl"), ("a.json", "a.json"), ("a", "a")],
)
def test_only_what_says_the_format_is_taken_from_a_name(name: str, expected: str, tmp_path: Path) -> None:
    file, row = tmp_path / name, json.dumps(chat("Where is it?", "on its way"))
    content = "prompt,completion\nWhere is it?,on its way\n" if name.endswith("csv") else row
    file.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())

    done = run(str(file), "--to", "openai-sft")

    assert done.exit_code == 0, done.output
    assert (tmp_path / f"{expected}.openai-sft.jsonl").is_file()


def test_a_file_that_is_there_already_stays_unless_it_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))
    there = tmp_path / "train.openai-sft.jsonl"
    there.write_text("mine")

    refused, kept = run(str(file), "--to", "openai-sft"), there.read_text()
    done = run(str(file), "--to", "openai-sft", "--output", str(there))

    assert (refused.exit_code, kept, "already exists" in refused.stderr) == (2, "mine", True)
    assert (done.exit_code, len(there.read_text().splitlines())) == (0, 1)


def test_a_link_is_written_through_and_stays_one(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))
    link, place = tmp_path / "link.jsonl", tmp_path / "place.jsonl"
    link.symlink_to(place)

    done = run(str(file), "--to", "openai-sft", "--output", str(link))

    assert (done.exit_code, link.is_symlink(), len(place.read_text().splitlines())) == (0, True, 1)


@pytest.mark.parametrize("output", ["/dev/null", "none/out.jsonl", ".", "train.jsonl/out.jsonl"])
def test_an_output_that_can_t_be_written_is_told(output: str, tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))

    done = run(str(file), "--to", "openai-sft", "--output", str(tmp_path / output))

    assert (done.exit_code, "can't be written" in done.stderr, done.exception.__class__) == (2, True, SystemExit)
    assert list(tmp_path.iterdir()) == [file]


def test_a_part_that_somebody_else_writes_is_not_touched(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))
    part = tmp_path / "out.jsonl.part"
    part.write_text("another's")

    done = run(str(file), "--to", "openai-sft", "--output", str(tmp_path / "out.jsonl"))

    assert (done.exit_code, part.read_text()) == (2, "another's")


def test_fields_of_ours_that_the_format_has_no_place_for_are_counted(tmp_path: Path) -> None:
    rows = [chat("Where is it?", "on its way", split="train", category="delivery"), chat("Hi", " ", subject="u1")]
    file = written(tmp_path / "train.jsonl", *rows, chat("Who?", "me", category="other"))

    done = run(str(file), "--to", "openai-sft")

    assert [line for line in done.output.splitlines() if "lost" in line] == ["  lost: category 2", "  lost: split 1"]


def test_a_supervised_line_among_pairs_is_left_out(tmp_path: Path) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "Where?"}]},
        "preferred_output": [{"role": "assistant", "content": "Here."}],
        "non_preferred_output": [{"role": "assistant", "content": "Dunno."}],
    }
    file = written(tmp_path / "train.jsonl", pair, chat("Where is it?", "on its way", category="x"), pair)

    done = run(str(file), "--to", "openai-preference")

    assert (done.exit_code, "left out: not_a_pair 1" in done.output, "lost" in done.output) == (0, True, False)
    lines = (tmp_path / "train.openai-preference.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [pair, pair]


def test_what_can_t_be_converted_leaves_no_file(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", chat("Where is it?", "on its way"))

    done = run(str(file), "--to", "openai-preference")

    assert (done.exit_code, "no answer that wasn't preferred" in done.output) == (2, True)
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_without_lines_is_no_conversion(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl")

    done = run(str(file), "--to", "openai-sft")

    assert (done.exit_code, "no example" in done.stderr, list(tmp_path.iterdir())) == (2, True, [file])


def test_every_reason_to_stay_behind_is_a_sentence() -> None:
    assert {*LEFT_OUT_REASONS, "invalid"} == REASONS.keys()
    assert all(reason.endswith(".") for reason in REASONS.values())
