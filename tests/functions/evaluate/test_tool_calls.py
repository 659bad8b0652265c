"""evaluate on examples that are answered by tool calls."""

import json
from typing import Any

import pytest

from tests.functions import scripted_evaluations
from tests.functions.scripted_evaluations import (
    Request,
    ScriptedProvider,
    answers_known_to,
    arm_of,
    evaluate_to_end,
    number_in,
    prepare_comparison,
)
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.chat.messages import answer_of
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

ROWS = 40
TOOLS = [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object", "properties": {}}}}]


def called(arguments: str, name: str = "refund", text: str | None = None) -> dict[str, Any]:
    call = {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": text, "tool_calls": [call]}


def refunds(rows: int) -> list[dict[str, Any]]:
    """Rows that are answered by a call, and every fourth by a text."""
    made = scripted_evaluations.lines(rows)
    for number, line in enumerate(made):
        line |= {"tools": TOOLS, "parallel_tool_calls": False}
        if number % 4:
            line["messages"][-1] = called(json.dumps({"order": number, "all": True}))
    return made


def test_tool_calls_are_requested_with_tools_and_judged_by_what_they_call(world: World) -> None:
    [body] = prepare_comparison(world, refunds(ROWS))

    def script(asked: Request) -> str | dict[str, Any]:
        number = number_in(asked)
        if arm_of(asked) == "base":
            return "refund" if number % 4 else called("{}")
        return (
            called(f'{{ "all": true, "order": {number}.0 }}', text="Sure.")
            if number % 4
            else scripted_evaluations.expected_answer(number)
        )

    provider = ScriptedProvider(script)

    found = evaluate_to_end(world, body)

    assert (found["arms"]["candidate"]["correct"], found["arms"]["stable"]["correct"]) == (ROWS, 0)
    assert found["verdict"]["promote"] is True
    assert all(asked["tools"] == TOOLS and asked["parallel_tool_calls"] is False for asked in provider.sent)


@pytest.mark.parametrize(
    "wrong",
    [called('{"order": 1}'), called('{"order": 1, "all": 1}'), called('{"order": 1, "all": true}', "cancel"), "refund"],
    ids=["less", "another value", "another tool", "a text"],
)
def test_another_call_is_a_wrong_answer(wrong: str | dict[str, Any], world: World) -> None:
    rows = [line | {"tools": TOOLS} for line in scripted_evaluations.lines(20)]
    for line in rows:
        line["messages"][-1] = called('{"order": 1, "all": true}')
    [body] = prepare_comparison(world, rows)
    ScriptedProvider(lambda asked: wrong if arm_of(asked) == "v1" else called('{"all":true,"order":1}'))

    found = evaluate_to_end(world, body)

    assert (found["arms"]["candidate"]["correct"], found["arms"]["stable"]["correct"]) == (0, 20)


def test_the_commonest_answer_may_be_a_call(world: World) -> None:
    rows = refunds(20)
    for line in rows[5:]:
        line["messages"][-1] = called('{"order": 1}')
    [body] = prepare_comparison(world, rows)
    export = app.exports.get(world.tenant, "support", body["export"])
    commonest = export.model_copy(update={"most_frequent_answer": answer_of(called('{ "order":1 }'))})
    app.table.commit(ConditionalPut(keys.export(world.tenant, "support", export.id), commonest))
    ScriptedProvider(answers_known_to("v1"))

    assert evaluate_to_end(world, body)["arms"]["most_frequent"]["correct"] == 15
