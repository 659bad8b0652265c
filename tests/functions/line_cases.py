"""Lines for every way in, with the verdict that all of them have to give: a code and a path, or that it's good.

No two lines of a kind differ in a text alone.
"""

from typing import Any, NamedTuple

Row = dict[str, Any]


class Case(NamedTuple):
    """A line, what is wrong with it, or the line that it is the same example as."""

    line: Any
    code: str | None = None
    path: str = "$"
    same_as: Row | None = None


USER: Row = {"role": "user", "content": "Where is my parcel?"}
SAID: Row = {"role": "assistant", "content": "On its way."}
ANSWER: Row = {"role": "assistant", "content": "hello"}
CALLED: Row = {"name": "lookup", "arguments": '{"order": null}'}
CALL: Row = {"id": "c1", "type": "function", "function": CALLED}
TOLD: Row = {"role": "tool", "tool_call_id": "c1", "content": '{"state": null}'}
SCHEMA: Row = {"type": "object", "properties": {"order": {"type": ["string", "null"], "default": None}}}
FUNCTION: Row = {"name": "lookup", "parameters": SCHEMA}
TOOL: Row = {"type": "function", "function": FUNCTION}
DUMP: Row = {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}
SDK_CALL: Row = {**CALL, "function": {**CALLED, "parsed_arguments": {"order": None}}}
LITELLM: Row = {"provider_specific_fields": {"refusal": None}, "thinking_blocks": None, "reasoning_content": None}
PARSED: Row = {"role": "assistant", "content": '{"a": [1, null]}', "parsed": {"a": [1, None]}}
REFUSED = "$.messages[1].refusal"
REFUSING: Row = {"type": "refusal", "refusal": "I can't."}


def talk(*turns: Any, **more: Any) -> Row:
    """A line of these turns."""
    return {"messages": list(turns), **more}


def asked(*turns: Any, **more: Any) -> Row:
    """A line of these turns and an answer after them."""
    return talk(*turns, ANSWER, **more)


def pair(preferred: Any = None, other: Any = None, **given: Any) -> Row:
    """A preference line."""
    better, worse = ANSWER if preferred is None else preferred, SAID if other is None else other
    return {
        "input": {"messages": [USER], **given},
        "preferred_output": [better],
        "non_preferred_output": [worse],
    }


def calling(*calls: Any, **more: Any) -> Row:
    """An assistant's message that calls functions."""
    return {"role": "assistant", "tool_calls": list(calls), **more}


PLAIN = asked(USER)
LONGER = asked(USER, SAID, USER)
REPEATED = asked(USER, {**SAID, "content": PARSED["content"]}, USER)
WITH_CALL = asked(USER, calling(CALL), TOLD)
OFFERED = asked(USER, tools=[TOOL])

# What the fast types once took, or might take, and the rules don't.
NEAR: list[Case] = [
    Case(pair({"content": "hello"}), "invalid_output", "$.preferred_output"),
    Case(pair(other={"content": "no"}), "invalid_output", "$.non_preferred_output"),
    Case(pair({**ANSWER, "content": [{"text": "hello"}]}), "invalid_content", "$.preferred_output[0].content"),
    Case(pair({**ANSWER, "role": "user"}), "invalid_output", "$.preferred_output"),
    Case(pair({**ANSWER, "extra": 1}), "unknown_key", "$.preferred_output[0].extra"),
    Case(
        asked({"role": "system", "content": [{"text": "Be kind."}]}, USER), "invalid_content", "$.messages[0].content"
    ),
    Case(asked({"role": "system", "content": [{"type": 1}]}, USER), "unknown_part", "$.messages[0].content[0].type"),
    Case(asked({"content": "hi"}), "unknown_role", "$.messages[0].role"),
    Case(asked({**USER, "name": 7}), "invalid_name", "$.messages[0].name"),
    Case(asked({**USER, "weight": 1}), "invalid_weight", "$.messages[0].weight"),
    Case(asked(USER, {**SAID, "weight": True}, USER), "invalid_weight", "$.messages[1].weight"),
    Case(asked(USER, {**SAID, "weight": 0.5}, USER), "invalid_weight", "$.messages[1].weight"),
    Case(asked(USER, calling({**CALL, "type": 1}), TOLD), "invalid_tool_calls", "$.messages[1].tool_calls[0].type"),
    Case(asked(USER, calling({**CALL, "extra": 1}), TOLD), "unknown_key", "$.messages[1].tool_calls[0].extra"),
    Case(asked(USER, calling("c1")), "invalid_tool_calls", "$.messages[1].tool_calls[0]"),
    Case(asked(USER, calling(CALL)), "unanswered_call", "$.messages[2]"),
    Case(asked(USER, {**TOLD, "tool_call_id": 1}), "missing_call_id", "$.messages[1].tool_call_id"),
    Case(asked({**USER, "content": []}), "invalid_content", "$.messages[0].content"),
    Case(asked(USER, parallel_tool_calls=1), "invalid_tools", "$.parallel_tool_calls"),
    Case(asked(USER, quality=True), "invalid_quality", "$.quality"),
    Case({"messages": []}, "missing_messages", "$.messages"),
    Case({"messages": {}}, "missing_messages", "$.messages"),
]

# What clients write beside an answer: what says nothing, and what says something.
CLIENTS: list[Case] = [
    Case(asked(USER, {**SAID, **DUMP}, USER), same_as=LONGER),
    Case(asked(USER, {**SAID, "refusal": None, "annotations": []}, USER), same_as=LONGER),
    Case(talk(USER, {**ANSWER, **DUMP, "name": None, "parsed": None}), same_as=PLAIN),
    Case(asked(USER, {**SAID, **LITELLM, "tool_calls": []}, USER), same_as=LONGER),
    Case(asked(USER, {**SAID, "provider_specific_fields": {}, "images": [], "refusal": ""}, USER), same_as=LONGER),
    Case(asked(USER, {**SAID, "id": "chatcmpl-1-0", "content_parts": None}, USER), same_as=LONGER),
    Case(asked(USER, {**SAID, "prefix": False}, USER), same_as=LONGER),
    Case(asked(USER, {**DUMP, **calling(CALL, content=None)}, TOLD), same_as=WITH_CALL),
    Case(asked(USER, {**DUMP, **calling({**SDK_CALL, "index": 0})}, TOLD), same_as=WITH_CALL),
    Case(asked(USER, PARSED, USER), same_as=REPEATED),
    Case(pair({**ANSWER, **DUMP}, {**SAID, **DUMP, "tool_calls": []}), same_as=pair()),
    Case(asked({**USER, "tool_calls": [], "refusal": None}), same_as=PLAIN),
    Case(asked(USER, {**SAID, "refusal": "I can't."}, USER), "unknown_key", "$.messages[1].refusal"),
    Case(asked(USER, {"role": "assistant", "refusal": "No."}, USER), "unknown_key", "$.messages[1].refusal"),
    Case(
        asked(USER, {**SAID, "annotations": [{"type": "url_citation"}]}, USER),
        "unknown_key",
        "$.messages[1].annotations",
    ),
    Case(asked(USER, {"role": "assistant", "content": "", "refusal": "No."}, USER), "unknown_key", REFUSED),
    Case(asked(USER, {**SAID, "audio": {"id": "audio_1"}}, USER), "unknown_key", "$.messages[1].audio"),
    Case(asked(USER, {**SAID, "reasoning_content": "Hm."}, USER), "unknown_key", "$.messages[1].reasoning_content"),
    Case(asked(USER, {**PARSED, "parsed": {"a": [1, None], "b": 2.5}}, USER), same_as=REPEATED),
    Case(asked(USER, {**PARSED, "parsed": {"a": 2}}, USER), "unknown_key", "$.messages[1].parsed"),
    Case(asked(USER, {**SAID, "parsed": {"a": 1}}, USER), "unknown_key", "$.messages[1].parsed"),
    Case(talk(USER, {**ANSWER, "content": [REFUSING]}), "unknown_part", "$.messages[1].content[0].type"),
    Case(asked(USER, {**SAID, "extra": []}, USER), "unknown_key", "$.messages[1].extra"),
    Case(asked(USER, {**SAID, "tool_calls": {}}, USER), "invalid_tool_calls", "$.messages[1].tool_calls"),
    Case(pair({**ANSWER, "refusal": "No."}), "unknown_key", "$.preferred_output[0].refusal"),
]

# JSON that is well-formed and no example.
SHAPES: list[Case] = [
    Case(talk('{"role": "user", "content": "hi"}', ANSWER), "not_an_object", "$.messages[0]"),
    Case(talk(["user", "hi"], ANSWER), "not_an_object", "$.messages[0]"),
    Case(talk(7, ANSWER), "not_an_object", "$.messages[0]"),
    Case({"messages": '[{"role": "user"}]'}, "missing_messages", "$.messages"),
    Case(USER, "missing_messages", "$.messages"),
    Case({"text": "hi"}, "missing_messages", "$.messages"),
    Case([USER, ANSWER], "not_an_object"),
    Case(["hi", "hello"], "not_an_object"),
    Case('{"messages": []}', "not_an_object"),
    Case([PLAIN, LONGER], "not_an_object"),
    Case(7, "not_an_object"),
    Case(None, "not_an_object"),
    Case({}, "missing_messages", "$.messages"),
]

# Functions by their older names, and what is no list of tools.
TOOLS: list[Case] = [
    Case(asked(USER, functions=[FUNCTION]), same_as=OFFERED),
    Case(asked(USER, functions=[FUNCTION], tools=[TOOL]), same_as=OFFERED),
    Case(
        asked(USER, functions=[{"name": "other"}], tools=[TOOL]),
        same_as=asked(USER, tools=[TOOL, {"type": "function", "function": {"name": "other"}}]),
    ),
    Case(asked(USER, functions=[{"name": "lookup", "description": None, "parameters": SCHEMA}]), same_as=OFFERED),
    Case(asked(USER, functions=[], tools=[]), same_as=PLAIN),
    Case(pair(functions=[FUNCTION]), same_as=pair(tools=[TOOL])),
    Case(
        asked(
            USER,
            {"role": "assistant", "function_call": CALLED},
            {"role": "function", "name": "lookup", "content": "{}"},
        )
    ),
    Case(asked({"role": "function", "content": "{}"}, USER), "invalid_name", "$.messages[0].name"),
    Case(
        asked(USER, {"role": "assistant", "function_call": {"name": "lookup"}}),
        "invalid_tool_calls",
        "$.messages[1].function_call.arguments",
    ),
    Case(asked(USER, tools={}), "invalid_tools", "$.tools"),
    Case(asked(USER, tools=""), "invalid_tools", "$.tools"),
    Case(asked(USER, tools=0), "invalid_tools", "$.tools"),
    Case(asked(USER, tools=["lookup"]), "invalid_tools", "$.tools"),
    Case(asked(USER, tools=TOOL), "invalid_tools", "$.tools"),
    Case(asked(USER, functions={}), "invalid_tools", "$.functions"),
    Case(asked(USER, functions=[{"name": 7}]), "invalid_function", "$.functions[0].name"),
    Case(asked(USER, functions=[TOOL]), "invalid_function", "$.functions[0].name"),
    Case(asked(USER, functions=[{**FUNCTION, "strict": True}], tools=[TOOL]), "duplicate_function", "$.functions"),
    Case(asked(USER, tools=[FUNCTION]), "invalid_function", "$.tools[0].type"),
    Case(pair(tools={}), "invalid_tools", "$.input.tools"),
    Case(pair(functions=[[]]), "invalid_tools", "$.input.functions"),
]

# Null in every place: a field that is null isn't there.
NULLS: list[Case] = [
    Case(
        asked(USER, tools=[{"type": "function", "function": {**FUNCTION, "description": None, "strict": None}}]),
        same_as=OFFERED,
    ),
    Case(
        asked(USER, tools=[{"type": "function", "function": {"name": "lookup", "parameters": None}}]),
        same_as=asked(USER, tools=[{"type": "function", "function": {"name": "lookup"}}]),
    ),
    Case(asked(USER, tools=[{**TOOL, "custom": None}]), same_as=OFFERED),
    Case(asked(USER, tools=None, functions=None, parallel_tool_calls=None), same_as=PLAIN),
    Case(asked(USER, subject=None, quality=None, split=None, created_at=None, id=None, extra=None), same_as=PLAIN),
    Case(asked({**USER, "name": None, "weight": None, "tool_call_id": None, "extra": None}), same_as=PLAIN),
    Case(
        asked({**USER, "content": [{"type": "text", "text": "hi", "cache_control": None}]}),
        same_as=asked({**USER, "content": [{"type": "text", "text": "hi"}]}),
    ),
    Case(
        asked({**USER, "content": [{"type": "image_url", "image_url": {"url": "https://e.org/a", "detail": None}}]}),
        same_as=asked({**USER, "content": [{"type": "image_url", "image_url": {"url": "https://e.org/a"}}]}),
    ),
    Case(asked(USER, calling({**CALL, "index": None}, content=None), {**TOLD, "name": None}), same_as=WITH_CALL),
    Case({**pair(parallel_tool_calls=None), "messages": None}, same_as=pair()),
    Case({**PLAIN, "input": None, "prompt": None, "preferred_output": None}, same_as=PLAIN),
    Case(talk(USER, {**ANSWER, "weight": None}), same_as=PLAIN),
    Case(talk(USER, {**ANSWER, "weight": 1.0}), same_as=talk(USER, {**ANSWER, "weight": 1})),
    Case(asked({**USER, "content": None}), "invalid_content", "$.messages[0].content"),
    Case(asked(USER, calling(content=None), USER), "invalid_content", "$.messages[1].content"),
    Case(asked({**USER, "role": None}), "unknown_role", "$.messages[0].role"),
    Case(
        asked({**USER, "content": [{"type": "text", "text": None}]}), "invalid_content", "$.messages[0].content[0].text"
    ),
    Case(asked(USER, calling({**CALL, "id": None}), TOLD), "invalid_tool_calls", "$.messages[1].tool_calls[0].id"),
    Case(
        asked(USER, calling({**CALL, "function": {**CALLED, "arguments": None}}), TOLD),
        "invalid_tool_calls",
        "$.messages[1].tool_calls[0].function.arguments",
    ),
    Case(asked(USER, calling(CALL), {**TOLD, "tool_call_id": None}), "missing_call_id", "$.messages[2].tool_call_id"),
    Case(asked(USER, tools=[None]), "invalid_tools", "$.tools"),
    Case(asked(None), "not_an_object", "$.messages[0]"),
    Case({"messages": None}, "missing_messages", "$.messages"),
]
KINDS = {"near misses": NEAR, "clients": CLIENTS, "shapes": SHAPES, "tools": TOOLS, "nulls": NULLS}
