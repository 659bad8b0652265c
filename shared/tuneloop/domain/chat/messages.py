"""Messages and JSON as texts: a message's text, canonical JSON, and bounded JSON read from a text and kept as one.

OpenAI's chat format: a message has a role and content, which is a text or a list of parts; an assistant may call
functions instead, which a `tool` message then answers by the call's id. Its canonical text is the same however its JSON
was written. A row keeps JSON as text, as it keeps no order of names and no more than 32 levels.
"""

import json
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PROMPT_ROLES = ("system", "developer")
CALLS = "tool_calls: "

JsonObject = dict[str, Any]


def canonical(content: Any) -> str:
    """The content as canonical JSON: sorted keys, no spaces, and always encodable as UTF-8."""
    return storable(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def storable(text: str) -> str:
    """JSON text with each lone surrogate as its escape, so that it can be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def text_of(message: JsonObject) -> str:
    """A message's text: its content string, or its text parts joined by new lines."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text") or "" for part in content)
    return content or ""


def answer_of(message: JsonObject) -> str:
    """An assistant message as one text: its tool calls by name and arguments in order, else its text.

    Calls are `tool_calls: ` and a JSON list; ids, spacing, the order of arguments and a text beside the calls don't
    count, and the older `function_call` is one call.
    """
    calls = message.get("tool_calls") or ([{"function": call}] if (call := message.get("function_call")) else [])
    if not calls:
        return text_of(message)
    return f"{CALLS}[{','.join(_call(call) for call in (calls if isinstance(calls, list) else [calls]))}]"


def _call(call: Any) -> str:
    """A tool call as JSON, name and arguments; of one that calls no function (a custom tool's) all but its id."""
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(function, dict):
        return f'{{"arguments":{_arguments(function.get("arguments"))},"name":{json.dumps(function.get("name"))}}}'
    return json.dumps({**call, "id": None} if isinstance(call, dict) else call, sort_keys=True)


def _arguments(given: Any) -> str:
    """A call's arguments as canonical JSON; an empty text is `{}`, and text that isn't JSON is kept as a text."""
    try:
        return canonical(json.loads((given or "").strip() or "{}") if isinstance(given, str | None) else given)
    except (ValueError, RecursionError):  # a model may write anything
        return json.dumps(given)


def parse_json_text(text: str) -> Any:
    """Parse a JSON text; ValueError where it isn't JSON, or has too many parts, too many levels or a number too large.

    `datasets.file_warnings` has a parser of its own that never raises: it only looks for answers that are alike.
    """
    if text.count("[") + text.count("{") > LINE_PARTS:
        raise ValueError(f"it may hold `{{` and `[` {LINE_PARTS:,} times at most")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    return _bounded(value)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested beyond this many levels; recursion ends one level below that."""
    parts = value.values() if isinstance(value, dict) else value
    inner = [part for part in parts if isinstance(part, dict | list)]
    return bool(inner) and (levels <= 1 or any(is_deeper(part, levels - 1) for part in inner))


def _bounded(value: Any) -> Any:
    if isinstance(value, dict | list) and is_deeper(value, JSON_DEPTH):
        raise ValueError(f"lists and objects may stand {JSON_DEPTH} deep in each other")
    return value


def _number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _no_number(_: str) -> None:
    raise ValueError("no number of JSON")


def _read(given: Any) -> Any:
    return parse_json_text(given) if isinstance(given, str) else _bounded(given)


def _written(value: JsonObject | None) -> str | None:
    return None if value is None else storable(json.dumps(value, ensure_ascii=False))


# An object, which a row stores as text so that its names keep their order.
KeptAsText = Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(_written, when_used="json")]
