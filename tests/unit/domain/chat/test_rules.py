"""Rules: each thing that a supervised line or a preference pair may not hold is told by its place and a stable code."""

from typing import Any

import pytest

from tests.examples import chat
from tests.unit.chats import CALL, CALLED, PICTURE, TOOL, packed
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.validation.line_checks import CheckedLine, check_line, fast_check

USER, ANSWER = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "c1", "content": "sent"}
FUNCTION = TOOL["function"]
PAIR: dict[str, Any] = {
    "input": {"messages": [USER], "tools": [TOOL], "parallel_tool_calls": False},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{"role": "assistant", "content": "go away"}],
}


def problems_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    found = read_example(row, 1)
    assert isinstance(found, list), found
    assert all(problem.message.endswith(".") for problem in found)
    assert fast_check(packed(row)) is None
    return [(problem.path, problem.code) for problem in found]


def user(**changes: Any) -> list[dict[str, Any]]:
    """A question with something else in it, and its answer."""
    return [{**USER, **changes}, ANSWER]


def call(**changes: Any) -> list[dict[str, Any]]:
    """A question that is answered by a call with something else in it."""
    return [USER, {**CALLING, "tool_calls": [{**CALL, **changes}]}]


def picture(role: str = "user", **image: Any) -> list[dict[str, Any]]:
    """Messages of which one holds an image."""
    part = {"type": "image_url", "image_url": {**PICTURE["image_url"], **image}}
    return [{"role": role, "content": [part]}, USER, ANSWER]


@pytest.mark.parametrize(
    ("messages", "path", "code"),
    [
        (user(name="a b"), "[0].name", "invalid_name"),
        (user(name=""), "[0].name", "invalid_name"),
        (user(name="x" * 65), "[0].name", "invalid_name"),
        (user(name="nina\n"), "[0].name", "invalid_name"),
        (user(name=7), "[0].name", "invalid_name"),
        ([{"role": "function", "content": "sent"}, USER, ANSWER], "[0].name", "invalid_name"),
        (user(timestamp=1), "[0].timestamp", "unknown_key"),
        (user(tool_calls=[CALL]), "[0].tool_calls", "unknown_key"),
        (user(tool_call_id="c1"), "[0].tool_call_id", "unknown_key"),
        ([USER, {**ANSWER, "annotations": [{"type": "url_citation"}]}], "[1].annotations", "unknown_key"),
        ([USER, {**ANSWER, "refusal": "I can't."}], "[1].refusal", "unknown_key"),
        ([USER, {**ANSWER, "weight": 0}], "", "nothing_to_learn"),
        (user(content=[]), "[0].content", "invalid_content"),
        ([USER, {**CALLING, "content": []}], "[1].content", "invalid_content"),
        (user(content=[{"type": "text"}]), "[0].content[0].text", "invalid_content"),
        (user(content=[{"type": "input_audio"}]), "[0].content[0].type", "unknown_part"),
        (user(content=[{"type": "text", "text": "a", "cached": 1}]), "[0].content[0].cached", "unknown_key"),
        (picture("system"), "[0].content[0]", "misplaced_image"),
        ([USER, {**ANSWER, "content": [PICTURE]}], "[1].content[0]", "misplaced_image"),
        (picture(url="ftp://example.org/a.png"), "[0].content[0].image_url.url", "invalid_image"),
        (picture(url="data:image/gif;base64,R0lGODlh"), "[0].content[0].image_url.url", "invalid_image"),
        (picture(url="data:image/png;base64,"), "[0].content[0].image_url.url", "invalid_image"),
        (picture(url="https://example.org/a b"), "[0].content[0].image_url.url", "invalid_image"),
        (picture(detail="best"), "[0].content[0].image_url.detail", "invalid_image"),
        (picture(size=1), "[0].content[0].image_url.size", "unknown_key"),
        (user(content=[{**PICTURE, "image_url": "https://e.org"}]), "[0].content[0].image_url", "invalid_image"),
        (user(content=[PICTURE] * 11), "", "too_many_images"),
        ([USER, {**ANSWER, "tool_calls": {}}], "[1].tool_calls", "invalid_tool_calls"),
        ([USER, {**CALLING, "tool_calls": ["c1"]}], "[1].tool_calls[0]", "invalid_tool_calls"),
        (call(id=""), "[1].tool_calls[0].id", "invalid_tool_calls"),
        (call(id=None), "[1].tool_calls[0].id", "invalid_tool_calls"),
        (call(type="custom"), "[1].tool_calls[0].type", "invalid_tool_calls"),
        (call(function=None), "[1].tool_calls[0].function", "invalid_tool_calls"),
        (call(function={**CALL["function"], "name": "a b"}), "[1].tool_calls[0].function.name", "invalid_tool_calls"),
        (call(function={"name": "a", "arguments": {}}), "[1].tool_calls[0].function.arguments", "invalid_tool_calls"),
        (call(index="0"), "[1].tool_calls[0].index", "unknown_key"),
        ([USER, {**CALLING, "tool_calls": [CALL, CALL]}], "[1].tool_calls", "duplicate_call_id"),
        ([USER, CALLING, {**TOLD, "tool_call_id": ""}, CALLING], "[2].tool_call_id", "missing_call_id"),
        ([USER, {"role": "tool", "content": "sent"}, ANSWER], "[1].tool_call_id", "missing_call_id"),
        ([USER, TOLD, ANSWER], "[1].tool_call_id", "unknown_call"),
        ([TOLD, USER, CALLING], "[0].tool_call_id", "unknown_call"),
        ([USER, CALLING, ANSWER], "[2]", "unanswered_call"),
        ([USER, CALLING, USER, CALLING], "[2]", "unanswered_call"),
        ([USER, CALLING, TOLD, ANSWER, TOLD, ANSWER], "[4].tool_call_id", "unknown_call"),
    ],
)  # fmt: skip
def test_a_conversation_is_told_where_and_what(messages: list[dict[str, Any]], path: str, code: str) -> None:
    assert (f"$.messages{path}", code) in problems_of({"messages": messages})


def test_one_wrong_thing_is_one_problem() -> None:
    assert problems_of({"messages": [USER, TOLD, ANSWER]}) == [("$.messages[1].tool_call_id", "unknown_call")]
    assert problems_of({"messages": user(weight=1)}) == [("$.messages[0].weight", "invalid_weight")]
    assert problems_of({"messages": call(type=None)}) == [("$.messages[1].tool_calls[0].type", "invalid_tool_calls")]


@pytest.mark.parametrize(
    ("tool", "path", "code"),
    [
        ({"function": FUNCTION}, ".type", "invalid_function"),
        ({"type": "retrieval", "function": FUNCTION}, ".type", "invalid_function"),
        ({"type": "function"}, ".function", "invalid_function"),
        ({"type": "function", "function": {"parameters": {}}}, ".function.name", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "name": "re fund"}}, ".function.name", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "name": "x" * 65}}, ".function.name", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "description": 7}}, ".function.description", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "parameters": []}}, ".function.parameters", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "strict": "yes"}}, ".function.strict", "invalid_function"),
        ({"type": "function", "function": {**FUNCTION, "returns": {}}}, ".function.returns", "unknown_key"),
        ({**TOOL, "id": "t1"}, ".id", "unknown_key"),
    ],
)
def test_a_function_is_told_where_and_what(tool: dict[str, Any], path: str, code: str) -> None:
    row = {**chat("hi", "hello"), "tools": [tool]}

    assert problems_of(row) == [(f"$.tools[0]{path}", code)]
    assert problems_of({**PAIR, "input": {**PAIR["input"], "tools": [tool]}}) == [(f"$.input.tools[0]{path}", code)]


def test_functions_have_names_of_their_own_and_are_not_too_many() -> None:
    many = [{"type": "function", "function": {"name": f"f{number}"}} for number in range(129)]

    assert problems_of({**chat("hi", "hello"), "tools": [TOOL, TOOL]}) == [("$.tools", "duplicate_function")]
    assert problems_of({**chat("hi", "hello"), "tools": many}) == [("$.tools", "invalid_tools")]
    assert isinstance(read_example({**chat("hi", "hello"), "tools": many[:128]}, 1), Example)


@pytest.mark.parametrize(
    "messages",
    [
        CALLED,
        [USER, CALLING, TOLD, CALLING],
        [USER, CALLING, TOLD, TOLD, USER, ANSWER],
        [USER, {**CALLING, "tool_calls": [CALL, {**CALL, "id": "c2"}]}, {**TOLD, "tool_call_id": "c2"}, TOLD, ANSWER],
        [USER, {**ANSWER, "refusal": None, "audio": None, "function_call": None, "tool_calls": None, "name": None}],
        [{"role": "function", "name": "refund", "content": "sent"}, ANSWER],
        user(name="Zoë-7"),
        user(content=[PICTURE] * 10),
        user(content=[{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ=="}}]),
        [USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}],
        [USER, {**ANSWER, "weight": 0}, USER, ANSWER],
    ],
)
def test_what_openai_takes_is_taken(messages: list[dict[str, Any]]) -> None:
    found = read_example({"messages": messages}, 1)

    assert isinstance(found, Example), found
    assert found.messages == [{name: said for name, said in each.items() if said is not None} for each in messages]
    assert isinstance(check_line(packed({"messages": messages}), 1), CheckedLine)


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"input": None}, ".input", "missing_messages"),
        ({"input": [USER]}, ".input", "missing_messages"),
        ({"input": {"messages": []}}, ".input.messages", "missing_messages"),
        ({"input": {"messages": [{"role": "bot", "content": "hi"}]}}, ".input.messages[0].role", "unknown_role"),
        ({"input": {"messages": [USER, {**ANSWER, "weight": 1}]}}, ".input.messages[1].weight", "invalid_weight"),
        ({"input": {"messages": user(content=[PICTURE])[:1]}}, ".input.messages", "misplaced_image"),
        ({"input": {"messages": [USER], "temperature": 0}}, ".input.temperature", "unknown_key"),
        ({"input": {"messages": [USER, CALLING]}}, ".preferred_output[0]", "unanswered_call"),
        ({"preferred_output": None}, ".preferred_output", "invalid_output"),
        ({"preferred_output": []}, ".preferred_output", "invalid_output"),
        ({"preferred_output": [ANSWER, ANSWER]}, ".preferred_output", "invalid_output"),
        ({"preferred_output": ANSWER}, ".preferred_output", "invalid_output"),
        ({"non_preferred_output": [USER]}, ".non_preferred_output", "invalid_output"),
        ({"non_preferred_output": [{**ANSWER, "content": " "}]}, ".non_preferred_output[0].content", "empty_answer"),
        ({"preferred_output": [{**ANSWER, "weight": 1}]}, ".preferred_output[0].weight", "unknown_key"),
        ({"preferred_output": [CALLING]}, ".preferred_output[0].tool_calls", "unknown_key"),
        ({"non_preferred_output": [ANSWER]}, ".non_preferred_output", "same_outputs"),
        ({"messages": [USER, ANSWER]}, ".messages", "mixed_formats"),
    ],
)
def test_a_preference_pair_is_told_where_and_what(change: dict[str, Any], path: str, code: str) -> None:
    assert (f"$.{path}".replace("..", "."), code) in problems_of({**PAIR, **change})


@pytest.mark.parametrize("name", ["preferred_output", "non_preferred_output", "input"])
def test_a_part_of_a_pair_is_taken_for_a_pair_that_lacks_the_rest(name: str) -> None:
    assert len(problems_of({name: PAIR[name]})) >= 1
    assert all(
        path.startswith(("$.input", "$.preferred", "$.non_preferred")) for path, _ in problems_of({name: PAIR[name]})
    )


def test_a_preference_pair_is_the_conversation_that_is_liked_better() -> None:
    found = read_example({**PAIR, "subject": "u1"}, 1)

    assert isinstance(found, Example), found
    assert found.messages == [USER, ANSWER]
    assert (found.answer, found.prompt, found.subject) == ("hello", [USER], "u1")
    assert found.content["non_preferred_output"] == PAIR["non_preferred_output"]
    assert (found.content["tools"], found.content["parallel_tool_calls"]) == ([TOOL], False)


def test_a_pair_and_its_better_half_are_two_examples() -> None:
    pair, talk = read_example(PAIR, 1), read_example({**PAIR["input"], "messages": [USER, ANSWER]}, 1)

    assert isinstance(pair, Example)
    assert isinstance(talk, Example)
    assert pair.id != talk.id


def test_fields_of_the_other_format_are_unknown_to_a_line() -> None:
    assert problems_of({**chat("hi", "hello"), "input": "hi"}) == [("$.input", "invalid_field")]
    assert problems_of({**PAIR, "tools": [TOOL]}) == [("$.tools", "invalid_field")]


def test_no_rule_quotes_what_it_is_about() -> None:
    said = "a sekret"
    part = {"type": said, "text": said}
    asked = {"role": "user", "content": [part], "name": said, said: said}
    called = {"id": 7, "type": said, "function": {"name": said, "arguments": 7, said: said}, said: said}
    tool = {"type": said, "function": {"name": said, "description": 7, said: said}, said: said}
    row = {"messages": [asked, {"role": "assistant", "tool_calls": [called]}], "tools": [tool]}

    found = read_example(row, 1)

    assert isinstance(found, list)
    assert len(found) > 8
    assert not any("sekret" in problem.model_dump_json() for problem in found)
