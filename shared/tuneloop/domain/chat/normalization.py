"""Normalization: removes from a training row what says nothing, so that two ways to write an example give one example.

A null field of a row, a message, a content part, a call or a tool is a field that isn't there. What clients put beside
an answer when they write it down (openai, LiteLLM, vLLM, LangChain and others, read 2026-12) is dropped where it is
empty or repeats what stands there anyway. Nothing is dropped from JSON that belongs to the user: the parameters of a
function, the arguments of a call, what an answer says, the input of a template.
"""

import json
from collections.abc import Callable
from typing import Any

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules.conversations import LISTS, NEVER_LEARNT, all_tools
from tuneloop.domain.chat.rules.lines import OUTPUTS

SPOKEN = {"role", "content"}
BESIDE = frozenset(NEVER_LEARNT)


def normalize(row: Any) -> Any:
    """The row without what says nothing; a value that is no object is returned as it is, for the rules to refuse."""
    if not isinstance(row, dict):
        return row
    kept = _with_lists(row)
    outputs = [name for name in OUTPUTS if name in kept]
    for name in outputs:
        kept[name] = _each(_message, kept[name])
    if outputs and isinstance(kept.get("input"), dict):  # else `input` fills a template, and is its user's
        kept["input"] = _with_lists(kept["input"])
    return kept


def normalize_tools(tools: Any) -> Any:
    """Tools, or functions in the older form, without what says nothing."""
    return _each(_tool, tools)


def plain_answer_text(message: JsonObject) -> str | None:
    """The text of an assistant message that holds a text and nothing else; None for any other message."""
    kept = _message(message)
    is_text = kept.keys() == SPOKEN and kept["role"] == "assistant" and isinstance(kept["content"], str)
    return kept["content"] if is_text else None


def functions_as_tools(given: JsonObject) -> JsonObject:
    """A valid row, or a preference pair's input, with its older `functions` turned into `tools`."""
    if "functions" not in given:
        return given
    return {name: value for name, value in given.items() if name != "functions"} | {"tools": all_tools(given)}


def says_nothing(value: Any) -> bool:
    """Whether a value is null, empty, or an object of such values (LiteLLM writes `{"refusal": null}`)."""
    if isinstance(value, dict):
        return all(inner is None or inner in ("", [], {}) for inner in value.values())
    return value is None or value in ("", [])


def _with_lists(given: JsonObject) -> JsonObject:
    """A row, or a pair's input, with its messages and tools normalized; an empty list of tools is removed."""
    kept = _without_nulls(given)
    if "messages" in kept:
        kept["messages"] = _each(_message, kept["messages"])
    for name in kept.keys() & LISTS.keys():
        kept[name] = normalize_tools(kept[name])
        if kept[name] == []:
            del kept[name]
    return kept


def _each(change: Callable[[JsonObject], JsonObject], values: Any) -> Any:
    """A list with `change` applied to each object in it; what is no list or no object is returned as it is."""
    if not isinstance(values, list):
        return values
    return [change(value) if isinstance(value, dict) else value for value in values]


def _change_in(whole: JsonObject, name: str, change: Callable[[JsonObject], JsonObject]) -> None:
    """Apply `change` to the object under this name, if there is one."""
    if isinstance(whole.get(name), dict):
        whole[name] = change(whole[name])


def _without_nulls(value: JsonObject) -> JsonObject:
    return {name: inner for name, inner in value.items() if inner is not None}


def _message(message: JsonObject) -> JsonObject:
    if message.keys() == SPOKEN and isinstance(message["content"], str):  # most messages, and there are many of them
        return message
    kept = _without_nulls(message)
    for name in kept.keys() & BESIDE:
        if says_nothing(kept[name]):
            del kept[name]
    if isinstance(weight := kept.get("weight"), float) and weight in (0, 1):  # the same number, written another way
        kept["weight"] = int(weight)
    if kept.get("tool_calls") == []:  # vLLM and others write it into every answer
        del kept["tool_calls"]
    if kept.get("role") == "assistant":
        _drop_marks_of_answers(kept)
    for name, change in (("content", _part), ("tool_calls", _call)):
        if name in kept:
            kept[name] = _each(change, kept[name])
    _change_in(kept, "function_call", _called)
    return kept


def _drop_marks_of_answers(answer: JsonObject) -> None:
    """Remove what some clients add to every answer that they return."""
    _drop_repeated(answer, "parsed", "content")
    if isinstance(answer.get("id"), str):  # of an answer that OpenAI stored: it names it, and says nothing
        del answer["id"]
    if answer.get("prefix") is False:  # Mistral's client
        del answer["prefix"]


def _part(part: JsonObject) -> JsonObject:
    kept = _without_nulls(part)
    if kept.get("annotations") == []:
        del kept["annotations"]
    _change_in(kept, "image_url", _without_nulls)
    return kept


def _call(call: JsonObject) -> JsonObject:
    kept = _without_nulls(call)
    if isinstance(kept.get("index"), int) and not isinstance(kept["index"], bool):  # of a stream: its place in the list
        del kept["index"]
    if "provider_specific_fields" in kept and says_nothing(kept["provider_specific_fields"]):
        del kept["provider_specific_fields"]
    _change_in(kept, "function", _called)
    return kept


def _called(called: JsonObject) -> JsonObject:
    kept = _without_nulls(called)
    _drop_repeated(kept, "parsed_arguments", "arguments")
    return kept


def _tool(tool: JsonObject) -> JsonObject:
    kept = _without_nulls(tool)
    _change_in(kept, "function", _without_nulls)
    return kept


def _drop_repeated(whole: JsonObject, name: str, source: str) -> None:
    """Remove a field that repeats, parsed, the JSON text of another field."""
    if name in whole and _is_parse_of(whole[name], whole.get(source)):
        del whole[name]


def _is_parse_of(value: Any, text: Any) -> bool:
    try:
        return isinstance(text, str) and _repeats(value, json.loads(text))
    except (ValueError, RecursionError):
        return False


def _repeats(value: Any, original: Any) -> bool:
    """Whether a value holds all of the original; a client's class may have added defaults for fields left out."""
    if isinstance(value, dict) and isinstance(original, dict):
        return all(name in value and _repeats(value[name], inner) for name, inner in original.items())
    if isinstance(value, list) and isinstance(original, list):
        return len(value) == len(original) and all(map(_repeats, value, original))
    return bool(value == original)
