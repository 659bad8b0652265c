"""Normalization: removes empty and repeated fields from a training row, so that two ways to write an example are one.

A null field of a row, a message, a content part, a call or a tool is a field that isn't there. Fields that clients add
to an answer when they store it (openai, LiteLLM, vLLM, LangChain and others, read 2026-12) are dropped where they are
empty or repeat another field. Nothing is dropped from JSON that belongs to the user: a function's parameters, a call's
arguments, an answer's text, a template's input.
"""

import json
from collections.abc import Callable
from typing import Any

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules.conversations import NEVER_LEARNT, TOOL_LISTS, all_tools
from tuneloop.domain.chat.rules.lines import OUTPUTS

PLAIN_KEYS = {"role", "content"}
UNLEARNABLE = frozenset(NEVER_LEARNT)


def normalize(row: Any) -> Any:
    """The row without empty and repeated fields; a value that is no object comes back as it is, for rules to refuse."""
    if not isinstance(row, dict):
        return row
    kept = _normalize_lists(row)
    outputs = [name for name in OUTPUTS if name in kept]
    for name in outputs:
        kept[name] = _map_objects(_normalize_message, kept[name])
    if outputs and isinstance(kept.get("input"), dict):  # without outputs `input` fills a template, and is the user's
        kept["input"] = _normalize_lists(kept["input"])
    return kept


def normalize_tools(tools: Any) -> Any:
    """Tools, or functions in the older form, without their null fields."""
    return _map_objects(_normalize_tool, tools)


def plain_answer_text(message: JsonObject) -> str | None:
    """The text of an assistant message that holds a text and nothing else; None for any other message."""
    kept = _normalize_message(message)
    is_text = kept.keys() == PLAIN_KEYS and kept["role"] == "assistant" and isinstance(kept["content"], str)
    return kept["content"] if is_text else None


def functions_as_tools(row: JsonObject) -> JsonObject:
    """A valid row, or a preference pair's input, with its older `functions` turned into `tools`."""
    if "functions" not in row:
        return row
    return {name: value for name, value in row.items() if name != "functions"} | {"tools": all_tools(row)}


def says_nothing(value: Any) -> bool:
    """Whether a value is null, empty, or an object of such values (LiteLLM writes `{"refusal": null}`)."""
    if isinstance(value, dict):
        return all(inner is None or inner in ("", [], {}) for inner in value.values())
    return value is None or value in ("", [])


def _normalize_lists(row: JsonObject) -> JsonObject:
    """A row, or a pair's input, with its messages and tools normalized; an empty list of tools is removed."""
    kept = _without_nulls(row)
    if "messages" in kept:
        kept["messages"] = _map_objects(_normalize_message, kept["messages"])
    for name in kept.keys() & TOOL_LISTS.keys():
        kept[name] = normalize_tools(kept[name])
        if kept[name] == []:
            del kept[name]
    return kept


def _map_objects(change: Callable[[JsonObject], JsonObject], values: Any) -> Any:
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


def _normalize_message(message: JsonObject) -> JsonObject:
    if message.keys() == PLAIN_KEYS and isinstance(
        message["content"], str
    ):  # most messages, and there are many of them
        return message
    kept = _without_nulls(message)
    for name in kept.keys() & UNLEARNABLE:
        if says_nothing(kept[name]):
            del kept[name]
    if isinstance(weight := kept.get("weight"), float) and weight in (0, 1):  # the same number, written another way
        kept["weight"] = int(weight)
    if kept.get("tool_calls") == []:  # vLLM and others write it into every answer
        del kept["tool_calls"]
    if kept.get("role") == "assistant":
        _drop_client_fields(kept)
    for name, change in (("content", _normalize_part), ("tool_calls", _normalize_call)):
        if name in kept:
            kept[name] = _map_objects(change, kept[name])
    _change_in(kept, "function_call", _normalize_function_call)
    return kept


def _drop_client_fields(answer: JsonObject) -> None:
    """Remove the fields that some clients add to every answer that they return."""
    _drop_repeated(answer, "parsed", "content")
    if isinstance(answer.get("id"), str):  # the id of an answer that OpenAI stored, which is no part of the answer
        del answer["id"]
    if answer.get("prefix") is False:  # Mistral's client
        del answer["prefix"]


def _normalize_part(part: JsonObject) -> JsonObject:
    kept = _without_nulls(part)
    if kept.get("annotations") == []:
        del kept["annotations"]
    _change_in(kept, "image_url", _without_nulls)
    return kept


def _normalize_call(call: JsonObject) -> JsonObject:
    kept = _without_nulls(call)
    if isinstance(kept.get("index"), int) and not isinstance(kept["index"], bool):  # its place in a streamed list
        del kept["index"]
    if "provider_specific_fields" in kept and says_nothing(kept["provider_specific_fields"]):
        del kept["provider_specific_fields"]
    _change_in(kept, "function", _normalize_function_call)
    return kept


def _normalize_function_call(function_call: JsonObject) -> JsonObject:
    kept = _without_nulls(function_call)
    _drop_repeated(kept, "parsed_arguments", "arguments")
    return kept


def _normalize_tool(tool: JsonObject) -> JsonObject:
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
    """Whether a value holds all of the original; a client's class may have added defaults for missing fields."""
    if isinstance(value, dict) and isinstance(original, dict):
        return all(name in value and _repeats(value[name], inner) for name, inner in original.items())
    if isinstance(value, list) and isinstance(original, list):
        return len(value) == len(original) and all(map(_repeats, value, original))
    return bool(value == original)
