"""Messages: the text of a message, and the canonical JSON by which two ways to write the same thing are one.

OpenAI's chat format: a message has a role and content, which is a text or a list of parts; an assistant may call
functions instead, which a `tool` message then answers by the call's id.
"""

import json
from typing import Any

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
