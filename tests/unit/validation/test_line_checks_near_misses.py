"""Near misses: the fast check takes a line only where the full check takes it, and gives the same for it."""

import json
from typing import Any

import pytest
from hypothesis import example, given

from tests.unit.lines import assert_checks_agree
from tests.unit.near_misses import ANSWER, DUMP, GOOD, SERVED, near_misses
from tuneloop.domain.chat.examples import Example
from tuneloop.domain.datasets.records import read_record
from tuneloop.validation.line_checks import CheckedLine, check_line, fast_check
from tuneloop.validation.line_parser import record_of

USER = {"role": "user", "content": "hi"}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [{"content": "no"}]}
UNTAGGED = [{"text": "hi"}]


def packed(row: Any) -> bytes:
    return json.dumps(row).encode()


@given(near_misses())
@example(packed(PAIR))
@example(packed({**PAIR, "non_preferred_output": [{**ANSWER, "content": UNTAGGED}]}))
@example(packed({"messages": [{"role": "system", "content": UNTAGGED}, USER, ANSWER]}))
@example(packed({"messages": [USER, {**ANSWER, "content": UNTAGGED}]}))
@example(packed({"messages": [USER, ANSWER], "tools": {}}))
@example(packed({"messages": [USER, ANSWER], "tools": ""}))
@example(packed({"messages": [USER, {**ANSWER, "weight": 1.0}]}))
@example(packed({"messages": [USER, {**DUMP, "tool_calls": []}], "tools": []}))
@example(b'{"messages":[{"role":"user","role":"tool","content":"a"},{"role":"assistant","content":"b"}]}')
def test_what_the_fast_way_takes_the_full_rules_take_too(line: bytes) -> None:
    assert_checks_agree(line)


@pytest.mark.parametrize("row", GOOD)
def test_the_lines_that_near_misses_are_made_of_are_good(row: dict[str, Any]) -> None:
    assert isinstance(check_line(packed(row), 1), CheckedLine)


@pytest.mark.parametrize("row", [row for row in GOOD if "functions" not in row])
def test_all_of_them_but_the_older_form_go_the_fast_way(row: dict[str, Any]) -> None:
    assert fast_check(packed(row)) is not None


def test_a_dump_is_known_for_the_same_example_as_its_plain_form() -> None:
    plain, *dumps = ([USER, answer] for answer in (ANSWER, DUMP, SERVED, {**DUMP, "name": None, "parsed": None}))
    alone = fast_check(packed({"messages": plain}))
    read = read_record(record_of(packed({"messages": plain}), 1))

    assert isinstance(read, Example)
    for messages in dumps:
        found = read_record(record_of(packed({"messages": messages}), 1))
        assert isinstance(found, Example)
        assert (found.id, found.content) == (read.id, read.content)
        assert fast_check(packed({"messages": messages})) == alone
