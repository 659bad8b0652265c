"""`tuneloop estimate` and `tuneloop convert`: a file priced or rewritten offline, and what is lost by it named."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.examples import chat
from tests.images import png, shown, url
from tuneloop.cli.commands import cli
from tuneloop.providers.catalog import RECOMMENDED
from tuneloop.settings import Settings
from tuneloop.validation.tokens import count_messages

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

    answer = run("estimate", file, "--calls", 1000, "--provider", "openai", "--json")

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
    answer = run("estimate", written(tmp_path, *examples(200)), "--provider", "openai")

    head, provable, columns, first, source, *others = answer.output.splitlines()
    assert head == "200 examples (0 lines can't be used): 100 train, 80 test."
    assert provable.startswith("The test shows a gain of")
    assert columns.split() == ["openai", "training", "tokens", "epochs", "minutes"]
    assert first.startswith("gpt-4.1-2025-04-14")
    assert source == "  - Prices of 2026-11-01: OpenAI's price list; training by a single source."
    assert "- Its provider shuts this base model down, and what is trained from it, on 2027-01-14." in others
    assert any("The high end has all 200 examples train." in line for line in others)
    assert any(line.startswith("Usable examples are counted before duplicates and conflicts") for line in others)


def test_without_a_provider_it_is_the_one_that_a_new_stage_trains_at(tmp_path: Path) -> None:
    found = json.loads(run("estimate", written(tmp_path, *examples(60)), "--json").output)
    told = run("estimate", written(tmp_path, *examples(60))).output

    assert (Settings(stage="s", table="t").provider, Settings(stage="s", table="t").base_model) == RECOMMENDED
    assert (found["provider"], found["estimates"][0]["base_model"]) == RECOMMENDED
    assert not [each for each in found["estimates"] if each["base_model"].startswith("tuneloop.")]
    assert "Keeping what is trained costs $1.95 a month" in told.splitlines()[4]
    assert "Not priced, as what training costs there is not known: amazon.nova-lite-v1:0" in told


def test_the_settings_of_a_dataset_say_where_it_trains(tmp_path: Path) -> None:
    settings = tmp_path / "cards.json"
    settings.write_text(json.dumps({"id": "cards", "template": None, "provider": "openai", "base_model": "gpt-4o"}))

    found = json.loads(run("estimate", "--examples", 60, "--settings", settings, "--json").output)

    assert (found["provider"], found["estimates"][0]["base_model"]) == ("openai", "gpt-4o-2024-08-06")


@pytest.mark.parametrize(
    ("words", "tokens", "said"),
    [
        (("--examples", 500), 300, "500 examples of 300 tokens, as is assumed without --average-tokens: "),
        (("--examples", 500, "--average-tokens", 120), 120, "500 examples of 120 tokens: "),
    ],
)
def test_a_count_alone_is_priced_and_what_is_assumed_is_said(words: tuple[Any, ...], tokens: int, said: str) -> None:
    told, found = run("estimate", *words), json.loads(run("estimate", *words, "--json").output)

    assert told.output.startswith(said)
    [first, *_] = found["estimates"]
    assert (found["examples"], found["average_tokens"]) == (500, tokens)
    assert first["estimated_tokens"] == 2 * tokens * first["examples"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("--base-model", "gpt-4o-mini"), ("openai", "gpt-4o-mini-2024-07-18")),
        (("--base-model", "openai/gpt-4o"), ("openai", "gpt-4o-2024-08-06")),
        (("--base-model", "amazon.nova-lite-v1:0"), ("bedrock", "amazon.nova-lite-v1:0")),
        (("--provider", "trainer", "--base-model", "anything"), ("trainer", "anything")),
    ],
)
def test_one_base_model_is_priced_by_any_of_its_names(words: tuple[str, ...], place: tuple[str, str]) -> None:
    found = json.loads(run("estimate", "--examples", 60, *words, "--json").output)

    assert [(found["provider"], each["base_model"]) for each in found["estimates"]] == [place]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--examples", 60, "--base-model", "gpt-9"), "bedrock has amazon.nova-micro-v1:0"),
        (("--examples", 60, "--provider", "openai", "--base-model", "nova"), "openai has gpt-4.1-2025-04-14"),
        (("--average-tokens", 60), "--examples"),
        ((), "--examples"),
        (("FILE", "--examples", 5), "--examples"),
        (("FILE", "--average-tokens", 5), "the tokens of a file are counted"),
    ],
)
def test_what_cannot_be_estimated_is_refused_with_what_there_is(
    words: tuple[Any, ...], named: str, tmp_path: Path
) -> None:
    file = written(tmp_path, *examples(12))

    answer = run("estimate", *(file if word == "FILE" else word for word in words))

    assert answer.exit_code == 2
    assert named in answer.output
    assert "Traceback" not in answer.output


def test_epochs_that_a_run_is_to_have_are_priced_and_refused_ones_are_said() -> None:
    three, twenty = (
        json.loads(run("estimate", "--examples", 60, "--n-epochs", epochs, "--json").output)["estimates"][0]
        for epochs in (3, 20)
    )

    assert (three["n_epochs"], three["estimated_tokens"]) == (3, 3 * 300 * three["examples"])
    assert "A run with n_epochs 20 is refused here: it has to be a whole number from 1 to 5." in twenty["notes"]


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


def test_an_unlisted_provider_has_unknown_prices_and_no_invented_ones(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("is_escaped", [False, True])
def test_images_of_a_file_are_counted(is_escaped: bool, tmp_path: Path) -> None:
    rows = [json.dumps(shown(url(png(1024, 1024)), f"What is {n}?", "A card.", "high")) for n in range(20)]
    lines = [row.replace('"image_url"', '"\\u0069mage_url"') if is_escaped else row for row in rows]
    file = written(tmp_path, *lines, *map(json.dumps, examples(20)), '{"image_url": 1}')

    found = json.loads(run("estimate", file, "--base-model", "gpt-4o", "--json").output)
    told = run("estimate", file, "--base-model", "gpt-4o").output

    [only] = found["estimates"]
    assert (found["valid"], found["invalid"], found["images"]) == (40, 1, 20)
    assert only["image_tokens"]["high"] == 765 * only["image_tokens"]["images"]
    assert only["estimated_tokens"] > 3 * only["image_tokens"]["high"]
    assert "40 examples with 20 images (1 lines can't be used)" in told
    assert "images of" in told


def test_short_lines_among_long_ones_are_named_and_short_chats_are_priced(tmp_path: Path) -> None:
    short = [chat(f"u up {n}", f"yep {n}") for n in range(12)]
    long = [chat(f"I have waited for order {n} for weeks", f"Order {n} has left us.") for n in range(20)]

    chats, mixed = (
        json.loads(run("estimate", written(tmp_path, *rows), "--json").output) for rows in (short, [*short, *long])
    )

    assert (chats["usable"], chats["reasons"]) == (12, [])
    assert any("below 20 characters" in note for note in chats["notes"])
    assert mixed["usable"] == 20
    assert [each["message"] for each in mixed["reasons"]] == [
        "12 are shorter than min_user_characters 20; set it to 0 for short chats."
    ]


def test_the_settings_policy_decides_what_is_priced_and_how_it_is_split(tmp_path: Path) -> None:
    rows = [chat(f"Where is the order number {n}?", f"answer {n}", quality=n / 100) for n in range(100)]
    settings = tmp_path / "dataset.json"
    settings.write_text(json.dumps({"policy": {"min_quality": 0.5, "validation": 0, "test": 0}}), "utf-8")

    found = json.loads(run("estimate", written(tmp_path, *rows), "--json", "--settings", settings).output)

    assert found["usable"] == 50
    assert {(each["examples"], each["test_rows"]) for each in found["estimates"]} == {(50, 0)}


def test_a_file_of_which_nothing_would_be_trained_on_says_why(tmp_path: Path) -> None:
    rows = [chat(f"Where is the order number {n}?", "late", quality=0.1) for n in range(12)]

    answer = run("estimate", written(tmp_path, *rows))

    assert answer.exit_code == 2
    assert "12 are below min_quality 0.8; lower it to use them." in answer.output
