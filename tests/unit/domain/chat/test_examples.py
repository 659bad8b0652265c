"""Reading lines: any JSON gets an example or its problems, and a problem says where, what and what would be right."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import chat
from tests.unit.factories import JSON, an_example
from tuneloop.domain.chat.examples import CONTENT_FIELDS, Example, Problem, Split, read_example
from tuneloop.domain.chat.messages import ROLES, answer_of, canonical, text_of

USER, ANSWER = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object", "properties": {}}}}
FIELDS = st.sampled_from(["role", "content", "weight", "tool_calls", "function_call", "name", "text"])
MESSAGES = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(ROLES) | JSON, "content": JSON, "weight": JSON, "tool_calls": JSON}
) | st.dictionaries(FIELDS, JSON)
ROWS = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGES | st.just(USER) | st.just(ANSWER), max_size=3) | JSON},
    optional={"split": JSON, "tools": JSON, "quality": JSON, "created_at": JSON, "source": JSON, "id": JSON, "x": JSON},
)


def problems_of(row: Any, line: int = 1) -> list[tuple[str, str]]:
    """Path and code of every problem."""
    found = read_example(row, line)
    assert isinstance(found, list), found
    return [(problem.path, problem.code) for problem in found]


@given(ROWS | JSON, st.integers(1, 10**6))
def test_no_json_whatever_makes_reading_fail(row: Any, line: int) -> None:
    found = read_example(row, line)

    if isinstance(found, Example):
        assert Example.model_validate_json(found.model_dump_json(exclude_none=True)).content == found.content
        assert isinstance(found.answer, str)
        assert isinstance(answer_of(found.messages[-1]), str)
    else:
        assert found
        assert all(problem.line == line and problem.path.startswith("$") for problem in found)
        assert all(problem.code and problem.message.endswith(".") for problem in found)


@given(st.permutations([*chat("hi", "hello", system="Be kind.").items(), ("source", "app"), ("tools", [TOOL])]))
def test_the_order_of_fields_makes_no_other_example(items: list[tuple[str, Any]]) -> None:
    found, again = read_example(dict(items), 1), read_example(json.loads(json.dumps(turned(dict(items)), indent=3)), 2)

    assert isinstance(found, Example)
    assert found == again
    assert found.id == read_id({"messages": chat("hi", "hello", system="Be kind.")["messages"], "tools": [TOOL]})


def read_id(row: Any) -> str:
    return an_id if isinstance(an_id := getattr(read_example(row, 1), "id", None), str) else ""


def test_what_stands_beside_the_content_makes_no_other_example() -> None:
    plain = an_example()
    told = an_example(split="test", subject="u1", group="g", category="c", source="s", quality=0.5)

    assert told.id == plain.id
    assert (told.split, told.subject, told.quality) == (Split.TEST, "u1", 0.5)
    assert set(told.content) <= set(CONTENT_FIELDS)


@given(st.text(), st.text(), st.text(min_size=1), st.text(min_size=1))
def test_other_content_is_another_example(one: str, other: str, answer: str, another: str) -> None:
    same = (one, answer.strip()) == (other, another.strip()) and answer == another
    ids = [read_id(chat(user, said)) for user, said in ((one, answer), (other, another))]

    if all(ids):
        assert (ids[0] == ids[1]) == same


@pytest.mark.parametrize("row", [None, 1, "x", [], [USER, ANSWER], True, 1.5])
def test_a_line_must_be_an_object(row: Any) -> None:
    assert problems_of(row) == [("$", "not_an_object")]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        (None, ("$.messages", "missing_messages")),
        ([], ("$.messages", "missing_messages")),
        ({"0": USER}, ("$.messages", "missing_messages")),
        ("hi", ("$.messages", "missing_messages")),
        ([USER], ("$.messages", "no_assistant_message")),
        ([ANSWER], ("$.messages", "no_prompt")),
        ([USER, ANSWER, USER], ("$.messages[-1]", "last_not_assistant")),
        ([USER, "hello", ANSWER], ("$.messages[1]", "not_an_object")),
        ([{"role": "bot", "content": "hi"}, ANSWER], ("$.messages[0].role", "unknown_role")),
        ([{"content": "hi"}, ANSWER], ("$.messages[0].role", "unknown_role")),
        ([{"role": ["user"], "content": "hi"}, ANSWER], ("$.messages[0].role", "unknown_role")),
        ([{**USER, "weight": 1}, ANSWER], ("$.messages[0].weight", "invalid_weight")),
        ([USER, {**ANSWER, "weight": 0.5}], ("$.messages[1].weight", "invalid_weight")),
        ([USER, {**ANSWER, "weight": True}], ("$.messages[1].weight", "invalid_weight")),
        ([USER, {**ANSWER, "weight": "1"}], ("$.messages[1].weight", "invalid_weight")),
        ([{"role": "user"}, ANSWER], ("$.messages[0].content", "invalid_content")),
        ([{"role": "user", "content": None}, ANSWER], ("$.messages[0].content", "invalid_content")),
        ([{"role": "user", "content": {"text": "hi"}}, ANSWER], ("$.messages[0].content", "invalid_content")),
        ([{"role": "user", "content": ["hi"]}, ANSWER], ("$.messages[0].content", "invalid_content")),
        ([{"role": "user", "content": [{"text": "hi"}]}, ANSWER], ("$.messages[0].content", "invalid_content")),
        ([USER, {**ANSWER, "content": [{"type": "text", "text": 5}]}], ("$.messages[1].content", "invalid_content")),
        ([USER, {"role": "assistant"}], ("$.messages[1].content", "invalid_content")),
        ([USER, {**ANSWER, "content": None, "tool_calls": []}], ("$.messages[1].content", "invalid_content")),
        ([USER, {**ANSWER, "content": " \n"}], ("$.messages[1].content", "empty_answer")),
        ([USER, {**ANSWER, "content": []}], ("$.messages[1].content", "empty_answer")),
    ],
)
def test_a_bad_line_is_told_where_and_what(messages: Any, problem: tuple[str, str]) -> None:
    assert problems_of({"messages": messages}) == [problem]


@pytest.mark.parametrize("tools", ["search", {"type": "function"}, ["search"], 7])
def test_tools_are_a_list_of_objects(tools: Any) -> None:
    assert problems_of({**chat("hi", "hello"), "tools": tools}) == [("$.tools", "invalid_tools")]
    assert problems_of({**chat("hi", "hello"), "parallel_tool_calls": tools}) == [
        ("$.parallel_tool_calls", "invalid_tools")
    ]


def test_every_problem_of_a_line_is_named_at_once() -> None:
    row = {"messages": [{"role": "bot"}, 7, {**ANSWER, "weight": 2, "content": ""}]}

    assert problems_of(row) == [
        ("$.messages[0].role", "unknown_role"),
        ("$.messages[0].content", "invalid_content"),
        ("$.messages[1]", "not_an_object"),
        ("$.messages[2].weight", "invalid_weight"),
        ("$.messages[2].content", "empty_answer"),
    ]


@pytest.mark.parametrize(
    "last",
    [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "assistant", "content": "", "function_call": {"name": "refund", "arguments": "{}"}},
        {"role": "assistant", "content": None, "function_call": {"name": "refund", "arguments": "{}"}},
        {"role": "assistant", "content": "hello", "weight": 1},
        {"role": "assistant", "content": [{"type": "text", "text": "hello"}], "weight": 1},
    ],
)
def test_an_assistant_may_speak_or_call(last: dict[str, Any]) -> None:
    found = read_example({"messages": [USER, last]}, 1)

    assert isinstance(found, Example)
    assert found.messages[-1] == {name: said for name, said in last.items() if said is not None}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split", "dev"),
        ("split", ""),
        ("quality", "good"),
        ("created_at", "yesterday"),
        ("created_at", "20240115"),
        ("created_at", 20240115),
        ("subject", 5),
        ("prompt", "x"),
        ("id", "row-1"),
        ("content", {"messages": []}),
    ],
)
def test_a_wrong_or_unknown_field_is_named_with_the_known_ones(field: str, value: Any) -> None:
    [problem] = as_problems(read_example({**chat("hi", "hello"), field: value}, 3))

    assert (problem.line, problem.path, problem.code) == (3, f"$.{field}", "invalid_field")
    assert "Known fields: messages, tools, parallel_tool_calls, split, subject, group" in problem.message
    for name in ("user_message", "assistant_response", "prompt", "completion", "input", "output"):
        assert f" {name}," in f"{problem.message[:-1]},"


def test_a_problem_never_quotes_what_it_is_about() -> None:
    row = {"messages": [{"role": "sekret", "content": 5}, {**ANSWER, "weight": "sekret"}]}
    beside = {**chat("hi", "hello"), "quality": "sekret", "split": "sekret", "created_at": "sekret"}

    told = as_problems(read_example(row, 1)) + as_problems(read_example(beside, 1))

    assert len(told) == 6
    assert not any("sekret" in problem.message for problem in told)


@pytest.mark.parametrize("default", [*Split, None])
@pytest.mark.parametrize("own", [*Split, None])
def test_a_line_s_own_split_comes_before_its_drop_s(own: Split | None, default: Split | None) -> None:
    marked, null = {**chat("hi", "hello"), **({"split": own} if own else {})}, {**chat("hi", "hello"), "split": own}

    for row in (marked, null):
        found = read_example(row, 1, default)
        assert isinstance(found, Example)
        assert found.split == (own or default)


def test_half_a_surrogate_pair_is_refused_and_not_stored() -> None:
    half = "\ud83d"

    assert problems_of(chat("hi", half)) == [("$.messages[1].content", "invalid_unicode")]
    assert problems_of({**chat("hi", "hello"), "source": half}) == [("$.source", "invalid_unicode")]
    assert problems_of({**chat("hi", "hello"), half: 1}) == [("$", "invalid_unicode")]


@pytest.mark.parametrize("levels", [60, 63, 64, 150, 900, 3000])
def test_what_is_nested_too_deep_to_be_written_again_is_refused(levels: int) -> None:
    deep: list[Any] = []
    for _ in range(levels - 5):
        deep = [deep]
    function = {"name": "refund", "parameters": {"deep": deep}}

    found = read_example({**chat("hi", "hello"), "tools": [{"type": "function", "function": function}]}, 1)

    if isinstance(found, Example):
        assert found.model_dump_json()
    assert isinstance(found, Example) == (levels < 64)


def test_a_name_of_any_length_makes_a_problem_of_bounded_length() -> None:
    [problem] = as_problems(read_example({**chat("hi", "hello"), "x" * 10**6: 1}, 1))

    assert len(problem.path) + len(problem.message) < 1000


def test_the_answer_is_the_last_message_and_the_prompt_what_came_before() -> None:
    example = an_example("Where is my parcel?", "delivery", system="One word.")

    assert example.answer == "delivery"
    assert [message["role"] for message in example.prompt] == ["system", "user"]


def test_the_text_of_parts_is_theirs_joined_by_lines() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    parts = [{"type": "text", "text": "What"}, image, {"type": "text", "text": "is this?"}]

    assert text_of({"role": "user", "content": parts}) == "What\n\nis this?"
    assert text_of({"role": "assistant", "content": None}) == ""
    assert text_of({"role": "user", "content": "hi"}) == "hi"


def calling(*calls: tuple[str, Any], **message: Any) -> dict[str, Any]:
    """An assistant's message that calls functions with arguments."""
    made = [
        {"id": f"call-{n}", "type": "function", "function": {"name": name, "arguments": given}}
        for n, (name, given) in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made, **message}


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_call_is_the_same_answer_however_its_arguments_are_written(arguments: dict[str, Any]) -> None:
    compact, spread = json.dumps(arguments), json.dumps(turned(arguments), indent=2, ensure_ascii=False)

    assert answer_of(calling(("refund", compact))) == answer_of(calling(("refund", spread)))
    assert answer_of(calling(("refund", arguments))) == answer_of(calling(("refund", compact)))


def test_a_call_s_answer_is_name_and_arguments_not_its_id_or_text_beside() -> None:
    one = calling(("refund", '{"order": 7}'))
    same = calling(("refund", '{ "order": 7 }'), content="One moment.")
    same["tool_calls"][0]["id"] = "other"

    assert answer_of(one) == answer_of(same) == 'tool_calls: [{"arguments":{"order":7},"name":"refund"}]'
    assert answer_of({"role": "assistant", "function_call": {"name": "refund", "arguments": '{"order":7}'}}) == (
        answer_of(one)
    )


def test_other_names_arguments_or_order_or_no_call_are_other_answers() -> None:
    answers = [
        calling(("refund", '{"order": 7}')),
        calling(("refund", '{"order": 8}')),
        calling(("cancel", '{"order": 7}')),
        calling(("refund", '{"order": 7}'), ("cancel", "{}")),
        calling(("cancel", "{}"), ("refund", '{"order": 7}')),
        {"role": "assistant", "content": "refund"},
    ]

    assert len({answer_of(answer) for answer in answers}) == len(answers)


@pytest.mark.parametrize("nothing", [None, "", "  ", "{}", {}])
def test_no_arguments_are_an_empty_object(nothing: Any) -> None:
    assert answer_of(calling(("refund", nothing))) == 'tool_calls: [{"arguments":{},"name":"refund"}]'


@pytest.mark.parametrize(
    "written",
    ["{order: 7}", "[" * 100_000, "9" * 5000, '"\\ud800"', "\ud800"],
    ids=lambda text: text[:8].encode("ascii", "replace").decode(),
)
def test_arguments_that_can_t_be_read_stand_for_themselves(written: str) -> None:
    answer = answer_of(calling(("refund", written)))

    assert answer.encode()
    assert answer != answer_of(calling(("refund", "{}")))


def test_a_call_of_another_kind_is_itself_but_for_its_id() -> None:
    one, other = ({"id": name, "type": "custom", "custom": {"name": "sql", "input": "select"}} for name in "ab")

    first, second = (answer_of({"role": "assistant", "tool_calls": [call]}) for call in (one, other))
    assert first == second
    assert "select" in first


def turned(value: Any) -> Any:
    """JSON with the fields of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(part) for name, part in reversed(value.items())}
    return [turned(part) for part in value] if isinstance(value, list) else value


@given(JSON)
def test_canonical_json_says_the_same_and_always_in_the_same_way(value: Any) -> None:
    text = canonical({"messages": value, "tools": []})

    assert json.loads(text) == {"messages": value, "tools": []}
    assert canonical(turned(json.loads(text))) == text


def test_a_time_is_kept_with_its_zone() -> None:
    assert an_example(created_at="2026-07-01T12:00:00Z").created_at == datetime(2026, 7, 1, 12, tzinfo=UTC)


def as_problems(found: Example | list[Problem]) -> list[Problem]:
    assert isinstance(found, list), found
    return found
