"""Near misses: good lines of every type in which one or two places are something else."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.examples import chat

Place = tuple[Any, ...]
CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"order": "7"}'}}
PARAMETERS = {"type": "object", "properties": {"order": {"type": "string", "default": None}}}
FUNCTION = {"name": "refund", "description": "Pay back.", "parameters": PARAMETERS, "strict": True}
TOOL: dict[str, Any] = {"type": "function", "function": FUNCTION}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
PARTS = [{"type": "text", "text": "Be kind."}]
ANSWER = {"role": "assistant", "content": "hello"}
DUMP: dict[str, Any] = {
    **ANSWER,
    "refusal": None,
    "annotations": [],
    "audio": None,
    "function_call": None,
    "tool_calls": None,
}
SERVED: dict[str, Any] = {
    **ANSWER,
    "tool_calls": [],
    "reasoning_content": None,
    "provider_specific_fields": {"refusal": None},
}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": PARTS, "name": "app"},
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [*PARTS, PICTURE], "name": "Nina"},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
    {"role": "tool", "tool_call_id": "c1", "content": PARTS, "name": None},
    {"role": "assistant", "content": PARTS, "weight": 1},
]
OLDER = [
    {"role": "user", "content": "Pay me back."},
    {"role": "assistant", "function_call": CALL["function"]},
    {"role": "function", "name": "refund", "content": "paid"},
    ANSWER,
]
ASKED = {"messages": [*TALK[:2], {"role": "user", "content": "hi"}], "tools": [TOOL], "parallel_tool_calls": True}
GOOD: list[dict[str, Any]] = [
    chat("hi", "hello"),
    chat("hi", "hello", system="Be kind.", split="test", subject="u1", group="g", category="c", source="app"),
    chat("hi", "hello", quality=0.5, created_at="2026-11-21T10:00:00Z"),
    {"messages": TALK, "tools": [TOOL], "parallel_tool_calls": False},
    {"messages": [TALK[1], {"role": "user", "content": "hi"}, DUMP]},
    {"messages": [{"role": "user", "content": "hi"}, SERVED], "subject": "u1"},
    {"messages": OLDER, "functions": [FUNCTION]},
    {"input": ASKED, "preferred_output": [ANSWER], "non_preferred_output": [{**DUMP, "content": PARTS}]},
    {"input": ASKED, "preferred_output": [DUMP], "non_preferred_output": [{**ANSWER, "content": "no"}], "quality": 1},
]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    0.5,
    -1,
    1 << 70,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [{}],
    [None],
]
WORDS = ["", " ", "x", "1", "assistant", "user", "text", '{"a": 1}', ["x"], {"x": 1}]
OTHER_KINDS: Any = st.sampled_from([*ODD, *WORDS])
KEYS = st.sampled_from(
    [
        "role",
        "content",
        "name",
        "weight",
        "type",
        "text",
        "tool_calls",
        "id",
        "index",
        "function",
        "refusal",
        "parsed",
        "annotations",
        "messages",
        "tools",
        "functions",
        "input",
        "output",
        "split",
        "quality",
        "strict",
        "x",
    ]
)
AGAIN = "\x00again"  # at the end of a key: a key that is written twice into the JSON


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place below a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from places(inner, (*at, step))


def _changed(draw: Any, row: dict[str, Any]) -> None:
    """Make one place of a row something else."""
    *above, last = draw(st.sampled_from(sorted(places(row), key=repr)))
    whole: Any = row
    for step in above:
        whole = whole[step]
    how = draw(st.sampled_from(["other", "missing", "extra", "wrapped", "opened", "again", "null"]))
    value = whole[last]
    if how == "missing":
        del whole[last]
    elif how == "null":
        whole[last] = None
    elif how == "wrapped":
        whole[last] = [value]
    elif how == "opened" and isinstance(value, list) and value:
        whole[last] = value[0]
    elif how == "again" and isinstance(whole, dict):
        whole[f"{last}{AGAIN}"] = deepcopy(draw(OTHER_KINDS | st.just(value)))
    elif how == "extra" and isinstance(value, dict):
        value[draw(KEYS)] = deepcopy(draw(OTHER_KINDS))
    else:
        whole[last] = deepcopy(draw(OTHER_KINDS))


@st.composite
def near_misses(draw: Any) -> bytes:
    """A line that is almost good, or good in another way."""
    row = deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 2))):
        if row:
            _changed(draw, row)
    return json.dumps(row).replace("\\u0000again", "").encode()
