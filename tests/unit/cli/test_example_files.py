"""What `tuneloop validate`, `estimate` and `convert` have in common: the file that they read, and its settings."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.examples import chat
from tuneloop.cli.commands import cli

MARK = b"\xef\xbb\xbf"
GOOD = [chat(f"Where is order {number}?", f"Order {number} is sent.") for number in range(12)]
# A dataset as GET /v1/datasets/{dataset} answers it.
DATASET = {
    "id": "cards",
    "on_drop": "collect",
    "template": {"version": 3, "system": "Be brief.", "user": "Title: {{title}}", "answer_schema": {"type": "object"}},
    "csv": {"user": "question", "assistant": "reply", "category": "topic", "source": None},
    "revision": 7,
}
Read = Callable[..., tuple[int, str, int]]


def run(command: str, file: Path, *words: object) -> Result:
    return CliRunner().invoke(cli, [command, str(file), *map(str, words)])


@pytest.fixture(params=["validate", "estimate", "convert"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Each of the commands: its exit status, what it says, and how many examples it found."""
    out = tmp_path / "out.jsonl"
    words = ["--to", "openai-sft", "--output", out] if request.param == "convert" else ["--json"]

    def examples(file: Path, *more: object) -> tuple[int, str, int]:
        done = run(request.param, file, *words, *more)
        if done.exit_code == 2:
            return 2, done.stderr, 0
        lines = out.read_bytes().splitlines() if request.param == "convert" else []
        return done.exit_code, done.stderr, len(lines) or json.loads(done.stdout)["valid"]

    return examples


def written(path: Path, rows: list[Any], before: bytes = b"") -> Path:
    path.write_bytes(before + b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def test_a_byte_order_mark_takes_no_line_with_it(read: Read, tmp_path: Path) -> None:
    assert read(written(tmp_path / "train.jsonl", GOOD, MARK)) == (0, "", 12)


def test_what_comes_through_a_pipe_is_read(read: Read, tmp_path: Path) -> None:
    here, there = os.pipe()
    os.write(there, written(tmp_path / "train.jsonl", GOOD).read_bytes())
    os.close(there)

    found = read(Path(f"/dev/fd/{here}"))

    os.close(here)
    assert found == (0, "", 12)


def test_an_estimate_through_a_pipe_is_that_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", GOOD)
    here, there = os.pipe()
    os.write(there, file.read_bytes())
    os.close(there)

    piped = run("estimate", Path(f"/dev/fd/{here}"), "--calls", 1000, "--json")

    os.close(here)
    assert piped.stdout == run("estimate", file, "--calls", 1000, "--json").stdout


def test_a_pipe_that_finds_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    here, there = os.pipe()
    os.close(there)
    monkeypatch.setattr("shutil.copyfileobj", full)

    done = run("estimate", Path(f"/dev/fd/{here}"))

    os.close(here)
    assert (done.exit_code, "No space left on device" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["none.jsonl", "."])
def test_what_can_t_be_read_is_told_and_ends_with_2(name: str, tmp_path: Path) -> None:
    to = ["--to", "openai-sft", "--output", tmp_path / "out.jsonl"]

    for command, words in (("validate", []), ("estimate", []), ("convert", to)):
        done = run(command, tmp_path / name, *words)
        assert (done.exit_code, "The file can't be read" in done.stderr) == (2, True)


def test_inputs_and_outputs_are_rendered_by_the_dataset_s_template(read: Read, tmp_path: Path) -> None:
    rows = [{"input": {"title": f"Card {number}"}, "output": {"year": number}} for number in range(12)]
    file = written(tmp_path / "cards.jsonl", rows)
    settings = written(tmp_path / "dataset.json", [DATASET], MARK)

    assert read(file, "--settings", settings) == (0, "", 12)


def test_a_csv_is_read_by_the_dataset_s_columns(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("question,reply,topic,notes\n" + "Where?,Here.,delivery,x\n" * 12, "utf-8")
    settings = written(tmp_path / "dataset.json", [DATASET])

    assert read(file, "--settings", settings) == (0, "", 12)


def test_what_is_rendered_is_what_would_be_collected(tmp_path: Path) -> None:
    file, settings = tmp_path / "cards.csv", written(tmp_path / "dataset.json", [DATASET])
    file.write_text('input,output\nCard 1,"{""year"": 1}"\n', "utf-8")
    plain = written(tmp_path / "plain.json", [{"template": {"system": "Be brief."}}])

    refused = run("validate", file, "--settings", settings, "--json")
    done = run("convert", file, "--to", "openai-sft", "--settings", plain, "--output", tmp_path / "out.jsonl")

    assert [error["code"] for error in json.loads(refused.stdout)["errors"]] == ["missing_input"]
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.jsonl").read_text()) == chat("Card 1", '{"year": 1}', "Be brief.")


def test_without_settings_it_is_said_where_they_come_from(tmp_path: Path) -> None:
    file = written(tmp_path / "cards.jsonl", [{"input": "x", "output": "y"}])

    assert "name that by --settings" in run("validate", file).stdout.replace("\n", " ")
    assert run("validate", file, "--json").stderr == ""


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "object"),
        (b'{"data": []}', "neither `template` nor `csv`"),
        (b'{"template": {"usr": "{{input}}"}}', "template.usr"),
        (b'{"template": {"user": "no place"}}', "place"),
        (b'{"csv": {"user": "question"}}', "csv.assistant"),
        (None, "No such file"),
    ],
)
def test_settings_that_can_t_be_used_end_with_2(read: Read, settings: bytes | None, why: str, tmp_path: Path) -> None:
    file, given = written(tmp_path / "train.jsonl", GOOD), tmp_path / "dataset.json"
    if settings is not None:
        given.write_bytes(settings)

    status, said, _ = read(file, "--settings", given)

    assert (status, why in said) == (2, True), said
    assert not (tmp_path / "out.jsonl").exists()
