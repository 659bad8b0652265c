"""Tools: the functions that an example offers, and the calls of them by the assistant."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.chat.rules.fields import FUNCTION_NAME, FUNCTION_RULE, is_name, unknown_keys

MOST_TOOLS = 128
FUNCTION_KEYS = ("name", "description", "parameters", "strict")


def tools_problems(path: str, given: JsonObject) -> Iterator[Violation]:
    """Check `tools`, the older `functions` and `parallel_tool_calls`, which are at `path`."""
    names = [name for name in LISTS if name in given]
    violations = [problem for name in names for problem in _list_problems(f"{path}.{name}", given[name], name)]
    yield from violations
    if names and not violations:
        tools = all_tools(given)
        if len(tools) > MOST_TOOLS:
            yield f"{path}.{names[-1]}", "invalid_tools", f"An example may have {MOST_TOOLS} tools at most."
        elif has_repeats(function["name"] for function in functions_in(tools)):
            yield f"{path}.{names[-1]}", "duplicate_function", "Each function must have a name of its own."
    if not isinstance(given.get("parallel_tool_calls"), bool | None):
        yield f"{path}.parallel_tool_calls", "invalid_tools", "`parallel_tool_calls` must be true or false."


def all_tools(given: JsonObject) -> list[JsonObject]:
    """The `tools` of an example, followed by those of its older `functions` that aren't among them, as tools."""
    tools: list[JsonObject] = given.get("tools", [])
    older = ({"type": "function", "function": function} for function in given.get("functions", ()))
    return [*tools, *(tool for tool in older if tool not in tools)]


def _list_problems(path: str, tools: Any, name: str) -> Iterator[Violation]:
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield path, "invalid_tools", f"`{name}` must be a list of objects."
        return
    for index, tool in enumerate(tools[: MOST_TOOLS + 1]):  # a list that is too long is one problem, not many
        yield from LISTS[name](f"{path}[{index}]", tool)


def functions_in(tools: list[JsonObject]) -> list[JsonObject]:
    """The functions that tools offer, if they have a name."""
    functions = (tool.get("function") for tool in tools)
    return [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]


def has_repeats(names: Iterator[str]) -> bool:
    """Whether a name comes more than once."""
    return any(times > 1 for times in Counter(names).values())


def _tool_problems(path: str, tool: JsonObject) -> Iterator[Violation]:
    if tool.get("type") != "function":
        yield f"{path}.type", "invalid_function", "The `type` of a tool must be function."
    function = tool.get("function")
    if not isinstance(function, dict):
        yield f"{path}.function", "invalid_function", "A tool must have its `function`: `name` and `parameters`."
    else:
        yield from _function_problems(f"{path}.function", function)
    yield from unknown_keys(path, tool, ("type", "function"), "A tool")


def _function_problems(path: str, function: JsonObject) -> Iterator[Violation]:
    if not is_name(function.get("name"), FUNCTION_NAME):
        yield f"{path}.name", "invalid_function", FUNCTION_RULE
    if not isinstance(function.get("description"), str | None):
        yield f"{path}.description", "invalid_function", "`description` must be text."
    if not isinstance(function.get("parameters", {}), dict):
        yield f"{path}.parameters", "invalid_function", "`parameters` must be an object: a JSON schema."
    if not isinstance(function.get("strict"), bool | None):
        yield f"{path}.strict", "invalid_function", "`strict` must be true or false."
    yield from unknown_keys(path, function, FUNCTION_KEYS, "A function")


# The two lists that offer functions, the second one in OpenAI's older form, each with the rule for its items.
LISTS: dict[str, Callable[[str, JsonObject], Iterator[Violation]]] = {
    "tools": _tool_problems,
    "functions": _function_problems,
}


def calls_problems(path: str, message: JsonObject) -> Iterator[Violation]:
    """Check the calls of an assistant's message, `tool_calls` and the older `function_call`."""
    calls, older = message.get("tool_calls"), message.get("function_call")
    if calls is not None and not isinstance(calls, list):
        yield f"{path}.tool_calls", "invalid_tool_calls", "`tool_calls` must be a list of calls."
    elif calls:
        for index, call in enumerate(calls):
            yield from _call_problems(f"{path}.tool_calls[{index}]", call)
        if has_repeats(call_ids(message)):
            yield f"{path}.tool_calls", "duplicate_call_id", "Each call of a message must have an `id` of its own."
    if older is not None:
        yield from _called_problems(f"{path}.function_call", older)


def call_ids(message: JsonObject) -> Iterator[str]:
    """The ids of a message's calls."""
    calls: Any = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(call.get("id"), str):
            yield call["id"]


def _call_problems(path: str, call: Any) -> Iterator[Violation]:
    if not isinstance(call, dict):
        yield path, "invalid_tool_calls", "A call must be an object with `id`, `type` and `function`."
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield f"{path}.id", "invalid_tool_calls", "A call must have an `id`, by which a tool message answers it."
    if call.get("type") != "function":
        yield f"{path}.type", "invalid_tool_calls", "The `type` of a call must be function."
    yield from _called_problems(f"{path}.function", call.get("function"))
    yield from unknown_keys(path, call, ("id", "type", "function"), "A call")


def _called_problems(path: str, called: Any) -> Iterator[Violation]:
    if not isinstance(called, dict):
        yield path, "invalid_tool_calls", "A call must say which function with what: `name` and `arguments`."
        return
    if not is_name(called.get("name"), FUNCTION_NAME):
        yield f"{path}.name", "invalid_tool_calls", FUNCTION_RULE
    if not isinstance(called.get("arguments"), str):
        yield f"{path}.arguments", "invalid_tool_calls", "`arguments` must be text: a JSON object, written as a string."
    yield from unknown_keys(path, called, ("name", "arguments"), "What is called")
