"""Fast checks against the full rules on thousands of drawn lines, and whole files around lines that are made to hurt.

The unit tests draw 40 lines for each of these properties, so that they end within seconds; `make test` draws as many as
stand here, as an odd type in an odd place comes up only once in many hundreds.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.examples import chat
from tests.functions.bombs import BOMBS
from tests.unit.lines import LINES, assert_checks_agree, count_by_rules
from tests.unit.near_misses import near_misses
from tuneloop.cli.file_statistics import fast_count
from tuneloop.validation.file_validation import Task, validate


@settings(max_examples=3000)
@given(near_misses())
def test_what_the_fast_check_takes_of_near_misses_the_rules_take_too(line: bytes) -> None:
    assert_checks_agree(line)


@settings(max_examples=500)
@given(LINES)
def test_what_the_fast_check_takes_of_any_lines_the_rules_take_too(line: bytes) -> None:
    assert_checks_agree(line)


@settings(max_examples=300)
@given(LINES)
def test_what_the_types_count_the_rules_count_too(line: bytes) -> None:
    assert fast_count(line) in (None, count_by_rules(line))


@pytest.mark.parametrize("name", ["parts.jsonl", "names.jsonl", "deep.jsonl", "empty-lists.jsonl", "one-line.jsonl"])
def test_a_line_that_is_made_to_hurt_takes_no_good_line_with_it(name: str, tmp_path: Path) -> None:
    bomb, path = BOMBS[name](), tmp_path / "train.jsonl"
    good = [json.dumps(chat(f"Where is order {n}?", f"Order {n} is sent.")).encode() + b"\n" for n in range(11)]
    path.write_bytes(good[0] + bomb.piece * min(bomb.times, 12) + b"\n" + b"".join(good[1:]))

    report = validate(Task(path))

    assert report.valid >= 11
    assert report.lines == 12
    assert all(problem.line == 2 for problem in report.errors)
