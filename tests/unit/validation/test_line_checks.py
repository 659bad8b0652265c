"""Line checks: the fast check gives what the full check gives, and takes no line that the rules refuse."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import chat
from tests.unit.chats import CALL, CALLED, TOOL, packed
from tests.unit.lines import LINES, assert_checks_agree
from tuneloop.validation.line_checks import CheckedLine, check_line, fast_check, full_check
from tuneloop.validation.line_parser import record_of

USUAL: list[dict[str, Any]] = [
    chat("hi", "hello"),
    chat("hi", "hello", system="Be kind.", split="test", quality=1, subject="u1", created_at="2026-11-21T10:00:00Z"),
    chat("hi", '{"intent": "refund"}', tools=[TOOL], parallel_tool_calls=False),
    chat("<|endoftext|>", "<|im_start|>"),
    {"messages": CALLED, "tools": [TOOL]},
    {"messages": [*CALLED[:2], {"role": "assistant", "content": "", "tool_calls": [CALL]}]},
    {
        "input": {"messages": [CALLED[0], {"role": "user", "content": "hi"}], "tools": [TOOL]},
        "preferred_output": [{"role": "assistant", "content": "hello"}],
        "non_preferred_output": [{"role": "assistant", "content": "go away"}],
    },
]


@pytest.mark.parametrize("row", USUAL)
def test_usual_lines_go_the_quick_way_and_are_found_to_be_the_same(row: dict[str, Any]) -> None:
    found = fast_check(packed(row))

    assert found is not None
    assert found == full_check(record_of(packed(row), 1))


@given(LINES)
@example(packed({**chat("hi", "hello"), "tools": [{**TOOL, "function": {**TOOL["function"], "x": 1}}]}))
@example(b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"tools":[{"a":"\xff"}]}')
@example(b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"tools":NaN}')
@example(b'{"messages":[],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}')
@example(b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"\\ud800"}]}')
@example(b'{"messages":[{"role":"user","content":"\\u003c|endoftext|\\u003e"},{"role":"assistant","content":"b"}]}')
def test_what_the_quick_way_takes_the_rules_take_too(line: bytes) -> None:
    assert_checks_agree(line)


@given(LINES, st.integers(0, 200), st.binary(max_size=3))
def test_a_broken_line_never_goes_the_quick_way_where_the_rules_refuse_it(line: bytes, at: int, noise: bytes) -> None:
    broken = line[:at] + noise + line[at + len(noise) :]

    assert fast_check(broken) in (None, full_check(record_of(broken, 1)))


@given(st.binary(max_size=200) | st.none())
def test_no_bytes_whatever_make_inspection_fail(line: bytes | None) -> None:
    found = check_line(line, 7)

    assert isinstance(found, CheckedLine) or all(problem.line == 7 for problem in found)


@pytest.mark.parametrize(
    ("arguments", "tools", "is_broken", "is_unknown"),
    [
        ('{"order": "7"}', [TOOL], False, False),
        ("", [TOOL], False, False),
        ('{"order": "7"}', [], False, True),
        ('{"order": ', [TOOL], True, False),
        ('["7"]', [TOOL], True, False),
    ],
)
def test_calls_are_held_against_the_functions_and_their_arguments_read(
    arguments: str, tools: list[dict[str, Any]], is_broken: bool, is_unknown: bool
) -> None:
    call = {**CALL, "function": {"name": "refund", "arguments": arguments}}
    messages = [*CALLED[:2], {"role": "assistant", "tool_calls": [call]}]

    found = check_line(packed({"messages": messages, "tools": tools}), 1)

    assert isinstance(found, CheckedLine)
    assert (found.has_broken_arguments, found.calls_unknown, found.answer) == (is_broken, is_unknown, None)
