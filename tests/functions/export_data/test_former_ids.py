"""Former ids: lines whose nulls were once a part of their id are known again where that matters."""

from typing import Any

import pytest

from tests.examples import chat
from tests.functions.line_cases import CALL, FUNCTION, TOLD, USER, asked, calling, pair
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.chat.messages import canonical
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.erasures import example_erasure

TOOL = {"type": "function", "function": {**FUNCTION, "description": None}}
# Lines that were good before, with the content of which the id was the hash.
KEPT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (line, {name: value for name, value in line.items() if name in ("messages", "tools") and value is not None})
    for line in (
        asked(USER, calling(CALL, content=None), TOLD),
        asked({**USER, "name": None}, subject="u1", parallel_tool_calls=None),
        asked(USER, tools=[TOOL]),
        asked(USER, tools=[]),
    )
]
PAIR = pair(tools=[TOOL])
PREFERRED = {
    "messages": [*PAIR["input"]["messages"], *PAIR["preferred_output"]],
    "tools": [TOOL],
    "non_preferred_output": PAIR["non_preferred_output"],
}


def read(line: Any) -> Example:
    found = read_example(line, 1)
    assert isinstance(found, Example), found
    return found


@pytest.mark.parametrize(("line", "content"), [*KEPT, (PAIR, PREFERRED)])
def test_a_line_with_nulls_is_known_by_its_former_id_too(line: dict[str, Any], content: dict[str, Any]) -> None:
    found = read(line)

    assert found.former_id == digest(canonical(content))
    assert found.former_id != found.id


@pytest.mark.parametrize("line", [chat("hi", "hello", split="test"), asked(USER, calling(CALL), TOLD), pair()])
def test_a_line_without_nulls_has_the_id_that_it_always_had(line: dict[str, Any]) -> None:
    assert read(line).former_id is None


def test_the_id_of_a_plain_line_is_the_one_of_the_first_release() -> None:
    known = digest('{"messages":[{"content":"hi","role":"user"},{"content":"hello","role":"assistant"}]}')

    assert read(chat("hi", "hello")).id == known


@pytest.mark.parametrize("posted", [False, True])
def test_what_was_erased_under_its_former_id_stays_away(posted: bool, world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    lines = [line for line, _ in KEPT]
    for line in lines[:2]:
        former = read(line).former_id
        assert former
        app.erasures.add(example_erasure(world.tenant, "support", former, utc_now()))

    if posted:
        route = "POST /v1/datasets/{dataset}/examples"
        assert world.call(route, "/v1/datasets/support/examples", {"examples": lines}).status == 202
        world.settle()
    else:
        world.drop("support", lines)

    revision = app.datasets.get(world.tenant, "support").revision
    with app.contents.examples(world.tenant, "support", revision) as examples:
        assert {current.stored.id for current in examples} == {read(line).id for line in lines[2:]}
