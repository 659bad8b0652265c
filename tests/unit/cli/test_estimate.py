"""`tuneloop estimate` and `tuneloop convert`: a file priced or rewritten offline, and what is lost by it named."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.examples import chat
from tuneloop.cli.commands import cli
from tuneloop.tokens import count_messages

BAD = '{"messages": []}'


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def written(folder: Path, *rows: Any, name: str = "examples.jsonl") -> Path:
    file = folder / name
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return file


def examples(count: int) -> list[dict[str, Any]]:
    return [chat(f"Where is the order number {n}?", "On its way to you.") for n in range(count)]


@pytest.mark.parametrize("name", ["examples.jsonl", "examples.jsonl.gz"])
def test_a_file_is_priced_for_every_base_model(tmp_path: Path, name: str) -> None:
    rows = examples(200)
    file = written(tmp_path, *rows, BAD, name=name)

    answer = run("estimate", file, "--calls", 1000, "--json")

    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    tokens = sum(count_messages(row["messages"]) for row in rows)
    assert (found["valid"], found["invalid"], found["tokens"], found["provider"]) == (200, 1, tokens, "openai")
    mini = next(each for each in found["estimates"] if each["base_model"].startswith("gpt-4.1-mini"))
    assert mini["examples"] == 100
    assert mini["estimated_tokens"] == pytest.approx(3 * tokens / 2, rel=0.01)
    assert mini["monthly_calls"]["completion_tokens"] == count_messages(rows[0]["messages"][-1:]) - 3
    assert not [each for each in found["estimates"] if each["base_model"] == "*"]


def test_people_read_a_table_with_the_date_and_source_of_its_prices(tmp_path: Path) -> None:
    answer = run("estimate", written(tmp_path, *examples(200)))

    assert "200 examples (0 lines can't be used): 100 train, 80 test." in answer.output
    assert "gpt-4.1-2025-04-14" in answer.output
    assert "Prices of 2026-11-01: OpenAI's price list" in answer.output


def test_few_examples_prove_nothing_and_that_is_said(tmp_path: Path) -> None:
    answer = run("estimate", written(tmp_path, *examples(12)), "--provider", "trainer")

    assert "12 examples (0 lines can't be used): 11 train, 0 test." in answer.output
    assert "No test: nothing can be proved." in answer.output
    assert "$0.00" in answer.output


def test_a_table_of_prompts_and_completions_is_priced_too(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("prompt,completion\n" + "".join(f"Where is {n}?,late\n" for n in range(30)), "utf-8")

    answer = run("estimate", file, "--json")

    assert json.loads(answer.output)["valid"] == 30


@pytest.mark.parametrize("rows", [[BAD], []], ids=["no example", "no line"])
def test_a_file_without_an_example_is_unusable(tmp_path: Path, rows: list[str]) -> None:
    answer = run("estimate", written(tmp_path, *rows))

    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


def test_a_provider_that_is_not_listed_has_unknown_prices_and_no_invented_ones(tmp_path: Path) -> None:
    answer = run("estimate", written(tmp_path, *examples(60)), "--provider", "nobody", "--json")

    assert answer.exit_code == 2
    assert "nobody" in answer.output


def test_a_file_is_rewritten_and_what_stays_behind_is_counted(tmp_path: Path) -> None:
    system = chat("Where is it?", "Here.", "Be kind.", split="test")
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calling = {"role": "assistant", "tool_calls": [call]}
    called = {"messages": [{"role": "user", "content": "Find it."}, calling]}
    file = written(tmp_path, system, called, BAD)

    answer = run("convert", file, "--to", "bedrock-conversation")

    assert answer.exit_code == 0, answer.output
    lines = [json.loads(line) for line in (tmp_path / "examples.bedrock-conversation.jsonl").read_text().splitlines()]
    assert [line["system"] for line in lines] == [[{"text": "Be kind."}]]
    assert "1 examples" in answer.output
    assert "left out: tool_calls 1" in answer.output
    assert "left out: invalid 1" in answer.output


def test_pairs_go_out_as_pairs_and_chats_never_do(tmp_path: Path) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "Where?"}]},
        "preferred_output": [{"role": "assistant", "content": "Here."}],
        "non_preferred_output": [{"role": "assistant", "content": "Dunno."}],
    }

    out = tmp_path / "out.jsonl"
    kept = run("convert", written(tmp_path, pair), "--to", "openai-preference", "--output", out)
    refused = run("convert", written(tmp_path, *examples(1)), "--to", "openai-preference", "--output", out)

    assert kept.exit_code == 0, kept.output
    assert refused.exit_code == 2
    assert "preferred" in refused.output


def test_a_packed_file_that_is_broken_is_unusable(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(examples(1)[0]).encode())[:-9])

    for command in (("estimate", file), ("convert", file, "--to", "openai-sft")):
        answer = run(*command)
        assert answer.exit_code == 2
        assert "gzip" in answer.output
