"""Rules of conversations: what messages and the tools beside them may hold, and which message answers which call."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tuneloop.domain.chat.messages import ROLES, JsonObject, text_of
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.core.redaction import safe_name

# What OpenAI takes, read 2026-11: in a speaker's name no sign that could end it, in a function's letters and digits.
NAME = r"\A[^\s<|\\/>]{1,64}\Z"
FUNCTION_NAME = r"\A[a-zA-Z0-9_-]{1,64}\Z"
SPEAKER_RULE = "`name` must be 1 to 64 characters without white space and without any of < > | / \\."
FUNCTION_RULE = "`name` must be 1 to 64 letters, digits, underscores and hyphens."
MESSAGE_KEYS = ("role", "content", "name")
# Fields that OpenAI's and other servers put into answers beside `role` and `content`, read 2026-12. `normalization`
# removes an empty one; a filled one is refused, as no model can be trained to write it.
NEVER_LEARNT = (
    "refusal", "annotations", "audio", "parsed", "content_parts", "reasoning", "reasoning_content", "reasoning_details",
    "thinking", "thinking_blocks", "images", "citations", "executed_tools", "provider_specific_fields",
    "additional_kwargs", "response_metadata", "invalid_tool_calls",
)  # fmt: skip
NOT_A_MESSAGE = "A message must be an object with `role` and `content`."
TEXT_AS_MESSAGE = "A message must be an object with `role` and `content`, not a text, even if the text is JSON."
KEYS_BY_ROLE = {
    "assistant": (*MESSAGE_KEYS, "weight", "tool_calls", "function_call"),
    "tool": (*MESSAGE_KEYS, "tool_call_id"),
}
MOST_IMAGES = 10  # of an example
IMAGE_URL = r"\A(?i:https?://[^\s/]\S*|data:image/(?:png|jpe?g|webp);base64,[a-z0-9+/]+={0,2})\Z"
DETAILS = ("auto", "low", "high")
PART_KEYS = {"text": ("type", "text"), "image_url": ("type", "image_url")}
MOST_TOOLS = 128  # of an example
FUNCTION_KEYS = ("name", "description", "parameters", "strict")


def conversation_problems(path: str, messages: list[Any]) -> Iterator[Violation]:
    """Check each message, and the number of images; the order of messages is checked elsewhere."""
    for index, message in enumerate(messages):
        yield from message_problems(f"{path}[{index}]", message)
    if count_images(messages) > MOST_IMAGES:
        yield path, "too_many_images", f"An example may hold {MOST_IMAGES} images at most."


def answers_problems(messages: Iterable[tuple[str, Any]]) -> Iterator[Violation]:
    """Check that each call is answered before the conversation goes on, and that each tool message answers a call.

    `messages` are pairs of a message's path and the message.
    """
    last_call_ids: set[str] = set()  # of the assistant message before
    unanswered: set[str] = set()
    for path, message in messages:
        if not isinstance(message, dict):
            continue
        role, call_id = message.get("role"), message.get("tool_call_id")
        if role == "tool":
            if isinstance(call_id, str) and call_id and call_id not in last_call_ids:
                rule = "`tool_call_id` must be the id of a call that the assistant message right before it made."
                yield f"{path}.tool_call_id", "unknown_call", rule
            unanswered.discard(str(call_id))
            continue
        if unanswered:
            rule = "Each call must be answered by a tool message right after it, before the conversation goes on."
            yield path, "unanswered_call", rule
        last_call_ids = set(call_ids(message)) if role == "assistant" else set()
        unanswered = set(last_call_ids)


def message_problems(path: str, message: Any) -> Iterator[Violation]:
    """Check one message by itself."""
    if not isinstance(message, dict):
        yield path, "not_an_object", TEXT_AS_MESSAGE if isinstance(message, str) else NOT_A_MESSAGE
        return
    role = message.get("role")
    if role not in ROLES:
        yield f"{path}.role", "unknown_role", f"`role` must be one of {', '.join(ROLES)}."
    weight = message.get("weight", 0)
    if "weight" in message and (role != "assistant" or isinstance(weight, bool) or weight not in (0, 1)):
        yield f"{path}.weight", "invalid_weight", "`weight` is 0 or 1 and stands on assistant messages only."
    has_calls = role == "assistant" and bool(message.get("tool_calls") or message.get("function_call"))
    unlearnable = list(unlearnable_problems(path, message)) if role == "assistant" else []
    if message.get("content") or not unlearnable:  # a refusal stands where the content would
        yield from content_problems(path, message, has_calls=has_calls)
    yield from unlearnable
    if role in ROLES:
        yield from _field_problems(path, message, role)


def _field_problems(path: str, message: JsonObject, role: str) -> Iterator[Violation]:
    name = message.get("name")
    if (name is not None or role == "function") and not is_name(name, NAME):
        yield f"{path}.name", "invalid_name", SPEAKER_RULE
    if role == "tool" and not (isinstance(call := message.get("tool_call_id"), str) and call):
        yield f"{path}.tool_call_id", "missing_call_id", "`tool_call_id` must be the id of the call that is answered."
    if role == "assistant":
        yield from calls_problems(path, message)
    checked_elsewhere = ("weight", *(NEVER_LEARNT if role == "assistant" else ()))
    rest = {key: value for key, value in message.items() if key not in checked_elsewhere}
    yield from unknown_keys(path, rest, KEYS_BY_ROLE.get(role, MESSAGE_KEYS), f"A message of this role ({role})")


def unlearnable_problems(path: str, message: JsonObject) -> Iterator[Violation]:
    """A violation for each field of an answer that no model can be trained to write."""
    for field in NEVER_LEARNT:
        if field in message:
            rule = f"`{field}` can't be learnt; say it as `content`, or leave it out."
            yield f"{path}.{field}", "unknown_key", rule


def content_problems(path: str, message: JsonObject, *, has_calls: bool) -> Iterator[Violation]:
    """Check the content of a message, which may be missing where the message has calls."""
    content, role = message.get("content"), message.get("role")
    if content is None and has_calls:
        return
    answers = role == "assistant" and not has_calls
    if not isinstance(content, str) and (not _is_parts(content) or (not content and not answers)):
        yield f"{path}.content", "invalid_content", "`content` must be a string or a list of content parts."
    elif isinstance(content, list) and (violations := list(_parts_problems(f"{path}.content", content, role))):
        yield from violations
    elif answers and not text_of(message).strip():
        yield f"{path}.content", "empty_answer", "An assistant message must say something or call a tool."


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, dict) and "type" in part and isinstance(part.get("text"), str | None) for part in content
    )


def _parts_problems(path: str, parts: list[Any], role: object) -> Iterator[Violation]:
    for index, part in enumerate(parts):
        yield from _part_problems(f"{path}[{index}]", part, role)


def _part_problems(path: str, part: JsonObject, role: object) -> Iterator[Violation]:
    match part["type"]:
        case "text":
            if part.get("text") is None:
                yield f"{path}.text", "invalid_content", "A text part must have its text as `text`."
        case "image_url" if role != "user":
            yield path, "misplaced_image", "Images may stand in user messages only."
        case "image_url":
            yield from _image_problems(f"{path}.image_url", part.get("image_url"))
        case _:
            yield f"{path}.type", "unknown_part", "The `type` of a content part must be text or image_url."
            return
    yield from unknown_keys(path, part, PART_KEYS[part["type"]], "Such a content part")


def _image_problems(path: str, image: Any) -> Iterator[Violation]:
    if not isinstance(image, dict):
        yield path, "invalid_image", "`image_url` must be an object with the image's `url`."
        return
    url = image.get("url")
    if not isinstance(url, str) or not re.search(IMAGE_URL, url):
        rule = "`url` must be an http(s) address, or data:image/png, jpeg or webp in base64."
        yield f"{path}.url", "invalid_image", rule
    if "detail" in image and image["detail"] not in DETAILS:
        yield f"{path}.detail", "invalid_image", f"`detail` must be one of {', '.join(DETAILS)}."
    yield from unknown_keys(path, image, ("url", "detail"), "`image_url`")


def count_images(messages: list[Any]) -> int:
    """The number of images in messages that may not be valid."""
    contents = (message.get("content") for message in messages if isinstance(message, dict))
    return sum(_is_image(part) for content in contents if isinstance(content, list) for part in content)


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


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
        yield from _function_call_problems(f"{path}.function_call", older)


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
    yield from _function_call_problems(f"{path}.function", call.get("function"))
    yield from unknown_keys(path, call, ("id", "type", "function"), "A call")


def _function_call_problems(path: str, function_call: Any) -> Iterator[Violation]:
    if not isinstance(function_call, dict):
        yield path, "invalid_tool_calls", "A call must say which function with what: `name` and `arguments`."
        return
    if not is_name(function_call.get("name"), FUNCTION_NAME):
        yield f"{path}.name", "invalid_tool_calls", FUNCTION_RULE
    if not isinstance(function_call.get("arguments"), str):
        yield f"{path}.arguments", "invalid_tool_calls", "`arguments` must be text: a JSON object, written as a string."
    yield from unknown_keys(path, function_call, ("name", "arguments"), "What is called")


def tools_problems(path: str, given: JsonObject) -> Iterator[Violation]:
    """Check `tools`, the older `functions` and `parallel_tool_calls` of the object at `path`."""
    names = [name for name in TOOL_LISTS if name in given]
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
    """The `tools` of an example, followed by its older `functions` in the form of tools, but for repeats."""
    tools: list[JsonObject] = given.get("tools", [])
    older = ({"type": "function", "function": function} for function in given.get("functions", ()))
    return [*tools, *(tool for tool in older if tool not in tools)]


def _list_problems(path: str, tools: Any, name: str) -> Iterator[Violation]:
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield path, "invalid_tools", f"`{name}` must be a list of objects."
        return
    for index, tool in enumerate(tools[: MOST_TOOLS + 1]):  # a list that is too long is one problem, not many
        yield from TOOL_LISTS[name](f"{path}[{index}]", tool)


def functions_in(tools: list[JsonObject]) -> list[JsonObject]:
    """The functions that tools offer, if they have a name."""
    functions = (tool.get("function") for tool in tools)
    return [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]


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
TOOL_LISTS: dict[str, Callable[[str, JsonObject], Iterator[Violation]]] = {
    "tools": _tool_problems,
    "functions": _function_problems,
}


def unknown_keys(path: str, given: JsonObject, known: Iterable[str], what: str) -> Iterator[Violation]:
    """A violation for each key of an object that isn't among the known ones; `what` names the object in the message."""
    for key in sorted(given.keys() - set(known)):
        yield f"{path}.{safe_name(key)}", "unknown_key", f"{what} may have {quoted_names(known)}, and no other key."


def is_name(value: object, pattern: str = NAME) -> bool:
    """Whether a value is a text that matches the pattern."""
    return isinstance(value, str) and re.search(pattern, value) is not None


def quoted_names(names: Iterable[str]) -> str:
    """Names in backticks, separated by commas, for a message."""
    return ", ".join(f"`{name}`" for name in names)


def has_repeats(names: Iterator[str]) -> bool:
    """Whether a name comes more than once."""
    return any(times > 1 for times in Counter(names).values())
