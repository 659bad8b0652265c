"""Messages and JSON as texts: a message's text, canonical JSON, and JSON of bounded size and depth in a text.

In OpenAI's chat format a message has a role and content, which is a text or a list of parts; an assistant may call
functions instead, and a `tool` message answers a call by its id. Canonical JSON is the same text however the JSON was
written. A row of the table stores JSON as text, because DynamoDB keeps no order of keys and no more than 32 levels.
"""

import json
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PROMPT_ROLES = ("system", "developer")
CALLS_PREFIX = "tool_calls: "  # tells an answer that calls tools from a text that happens to be the same JSON

JsonObject = dict[str, Any]


def canonical(content: Any) -> str:
    """A JSON value as canonical JSON: sorted keys, no spaces, and always encodable as UTF-8."""
    return storable(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def storable(text: str) -> str:
    """JSON text with each lone surrogate written as its escape, so that the text can be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def text_of(message: JsonObject) -> str:
    """A message's text: its content string, or the texts of its parts joined by new lines, empty for other parts.

    For a message that keeps to the rules; `openai_wire.chat.content_text` reads a message of any server or app.
    """
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text") or "" for part in content)
    return content or ""


def answer_of(message: JsonObject) -> str:
    """An assistant message as one text: its tool calls by name and arguments in order, else its text.

    Calls are written as `tool_calls: ` and a JSON list. Ids, spacing, the order of arguments and a text beside the
    calls don't count; the older `function_call` counts as a list of one call.
    """
    calls = message.get("tool_calls") or ([{"function": call}] if (call := message.get("function_call")) else [])
    if not calls:
        return text_of(message)
    return f"{CALLS_PREFIX}[{','.join(_call(call) for call in (calls if isinstance(calls, list) else [calls]))}]"


def _call(call: Any) -> str:
    """A tool call as JSON: name and arguments; of a call that names no function (a custom tool's), all but its id."""
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(function, dict):
        return f'{{"arguments":{_arguments(function.get("arguments"))},"name":{json.dumps(function.get("name"))}}}'
    return json.dumps({**call, "id": None} if isinstance(call, dict) else call, sort_keys=True)


def _arguments(value: Any) -> str:
    """A call's arguments as canonical JSON; an empty text is `{}`, and text that isn't JSON is kept as a text."""
    try:
        return canonical(json.loads((value or "").strip() or "{}") if isinstance(value, str | None) else value)
    except (ValueError, RecursionError):  # a model may write anything
        return json.dumps(value)


def parse_json_text(text: str) -> Any:
    """Parse a JSON text; ValueError where it isn't JSON, or has too many parts or levels, or too large a number."""
    if text.count("[") + text.count("{") > LINE_PARTS:
        raise ValueError(f"it may hold `{{` and `[` {LINE_PARTS:,} times at most")
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    return _check_depth(value)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested beyond this many levels; the search itself ends one level below them."""
    parts = value.values() if isinstance(value, dict) else value
    inner = [part for part in parts if isinstance(part, dict | list)]
    return bool(inner) and (levels <= 1 or any(is_deeper(part, levels - 1) for part in inner))


def _check_depth(value: Any) -> Any:
    if isinstance(value, dict | list) and is_deeper(value, JSON_DEPTH):
        raise ValueError(f"lists and objects may stand {JSON_DEPTH} deep in each other")
    return value


def _finite_float(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _refuse_constant(_: str) -> None:
    raise ValueError("no number of JSON")


def _parse_if_text(value: Any) -> Any:
    return parse_json_text(value) if isinstance(value, str) else _check_depth(value)


def _serialize(value: JsonObject | None) -> str | None:
    return None if value is None else storable(json.dumps(value, ensure_ascii=False))


KeptAsText = Annotated[JsonObject, BeforeValidator(_parse_if_text), PlainSerializer(_serialize, when_used="json")]
"""A JSON object, which a row of the table stores as text so that its keys keep their order."""
