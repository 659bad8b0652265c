"""`tuneloop validate`: exit status, JSON and what a person reads, all without AWS and without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from tests.examples import chat
from tuneloop.cli.commands import cli
from tuneloop.cli.validate import LARGE_BYTES
from tuneloop.providers.catalog import named_models, providers
from tuneloop.validation.report import ERRORS_KEPT

SHARED = Path(__file__).resolve().parents[3] / "shared"
KEYS = ["lines", "valid", "invalid", "errors", "warnings", "tokens", "examples_over_limit"]
GOOD = [chat(f"Where is order {number}?", f"Order {number} is sent.") for number in range(12)]
BAD = [{"messages": []}, chat("hi", " "), {**chat("[bold]hi[/bold]", "hello"), "[red]": 1}]


def validated(file: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["validate", str(file), *options], env={"COLUMNS": "80"})


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_file_of_valid_lines_ends_with_0(tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD))

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "train.jsonl: 12 lines, all of them valid"
    assert done.stderr == ""


def test_a_file_with_lines_that_are_not_ends_with_1_and_says_which(tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD + BAD))

    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "train.jsonl: 15 lines, 3 of them can't be used"
    assert "missing_messages" in done.stdout
    assert "$.messages[1].content  line 14" in done.stdout
    assert all(cell_len(line) <= 80 for line in done.stdout.splitlines())


def test_many_errors_of_one_kind_are_one_row(tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD + BAD[:1] * 50))

    assert done.stdout.count("missing_messages") == 1
    assert "50  missing_messages" in done.stdout
    assert "lines 13, 14, 15, …" in done.stdout


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff" * 900, b"text\n", b"[1,\n2]\n"])
def test_what_is_no_training_file_ends_with_2(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    if content is not None:
        file.write_bytes(content)

    done, as_json = validated(file), validated(file, "--json")

    assert (done.exit_code, as_json.exit_code) == (2, 2)
    assert done.stdout == as_json.stderr == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(("unreadable_file: train", "empty_file: train", "not_jsonl: train"))
    assert list(json.loads(as_json.stdout)) == KEYS
    assert json.loads(as_json.stdout)["errors"]


def test_a_folder_ends_with_2(tmp_path: Path) -> None:
    assert validated(tmp_path).exit_code == 2
    assert validated(tmp_path, "--json").exit_code == 2


def test_json_holds_exactly_what_is_promised(tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD + BAD), "--json")

    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert list(report) == KEYS
    assert (report["lines"], report["valid"], report["invalid"]) == (15, 12, 3)
    assert [error["line"] for error in report["errors"]] == [13, 14, 15]
    assert all(list(error) == ["line", "path", "code", "message"] for error in report["errors"])
    assert list(report["tokens"]) == ["total", "max", "p50", "p95"]


def test_a_format_that_lines_don_t_have_makes_them_invalid(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", GOOD)

    assert [validated(file, "--format", form).exit_code for form in ("auto", "sft", "preference")] == [0, 0, 1]
    assert validated(file, "--format", "csv").exit_code == 2


def test_the_limit_is_the_base_model_s(tmp_path: Path) -> None:
    long = chat("hi", "word " * 66_000)
    file = written(tmp_path / "train.jsonl", [*GOOD, long])

    assert json.loads(validated(file, "--json").stdout)["examples_over_limit"] == 1
    assert "1 over 65,536" in validated(file, "--base-model", "gpt-4o-2024-08-06").stdout


def test_an_unlisted_base_model_is_refused_and_the_listed_are_named(tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD), "--base-model", "gpt-typo")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "'gpt-typo'" in done.stderr
    assert all(name in done.stderr for provider in providers() for name in named_models(provider))


NAMES = (
    "gpt-4o-mini gpt-4o-mini-2024-07-18 openai/gpt-4.1 amazon.nova-lite-v1:0 amazon.nova-lite-v1:0:300k "
    "tuneloop-linear-1 bedrock/meta.llama3-3-70b-instruct-v1:0 trainer/anything tuneloop.linear-v1:0"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_every_base_model_of_the_catalog_is_known_by_name_and_alias(name: str, tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD), "--base-model", name)

    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["", "*", "openai/*x", "bedrock/gpt-4o", "nobody/gpt-4o", "gpt-4o/", "GPT-4o"])
def test_a_base_model_of_another_provider_is_as_unknown_as_any(name: str, tmp_path: Path) -> None:
    done = validated(written(tmp_path / "train.jsonl", GOOD), "--base-model", name)

    assert done.exit_code == 2
    assert "bedrock: amazon.nova-micro-v1:0" in done.stderr


def test_the_number_of_errors_that_json_holds_is_said() -> None:
    assert f"{ERRORS_KEPT:,}" in CliRunner().invoke(cli, ["validate", "--help"], env={"COLUMNS": "200"}).stdout


def test_a_large_file_is_read_by_two_processes_and_found_the_same(tmp_path: Path) -> None:
    rows = [chat(f"Where is order {number}? {'x ' * 4000}", "It is sent.") for number in range(2200)]
    file = written(tmp_path / "train.jsonl", [*rows, *BAD])

    assert file.stat().st_size > LARGE_BYTES
    assert validated(file, "--json").stdout == validated(file, "--json", "--processes", "1").stdout


def test_it_needs_no_credentials_no_network_and_draws_no_bar_in_a_pipe(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", GOOD)
    nothing = (
        "import socket, sys; socket.socket.connect = sys.modules['boto3'] = sys.modules['openai'] = None;"
        "from tuneloop.cli import main; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", nothing, "validate", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SHARED)},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 2


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        ("a.jsonl", '{"input": "a", "output": "b"}\n', '{"template": {"user": "{{input}}"}}'),
        ("a.csv", "question,reply\na,b\n", "the `csv` of a JSON file that --settings names"),
        ("a.csv", "prompt,completion,note\na,b,c\n", "the `csv` of a JSON file that --settings names"),
    ],
)
@pytest.mark.parametrize(
    "command", [("validate",), ("validate", "--json"), ("estimate",), ("convert", "--to", "openai-sft")]
)
def test_an_offline_command_names_a_way_out_that_works_offline(
    command: tuple[str, ...], name: str, content: str, cure: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(content)

    done = CliRunner().invoke(cli, [*command, str(file)], env={"COLUMNS": "400"})
    said = done.output.replace('\\"', '"')

    assert done.exit_code != 0
    assert "/v1" not in said
    assert cure in said or (command[0] == "convert" and "`tuneloop validate` says" in said)
