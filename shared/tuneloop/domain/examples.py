"""Examples: what one training line may look like, and what makes two of them the same.

The content is OpenAI's chat format (`messages`, `tools`, `parallel_tool_calls`); beside it stand fields of ours that
never reach a provider. An example's id is the hash of its canonical content alone, so the same conversation is the same
example whoever sends it, however its JSON was written. Rules: OpenAI's supervised fine-tuning format, read 2026-11.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.domain.ids import digest
from tuneloop.domain.limits import JSON_DEPTH, PROBLEMS_KEPT
from tuneloop.domain.words import name_in

CONTENT_FIELDS = ("messages", "tools", "parallel_tool_calls")
MADE_FIELDS = ("id", "content")  # of an example, but none of a line
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PROMPT_ROLES = ("system", "developer")
LONGEST_PATH = 200
CALLS = "tool_calls: "

JsonObject = dict[str, Any]


class Split(StrEnum):
    """The part of an export that an example belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Problem(BaseModel):
    """One reason why a line can't be used: where it stands, a stable code, and what would be right."""

    line: int
    path: str
    code: str
    message: str


class Example(BaseModel):
    """One training conversation with the fields that say where it came from."""

    model_config = ConfigDict(extra="forbid")

    id: str
    content: JsonObject
    split: Split | None = None
    subject: str | None = None
    group: str | None = None
    category: str | None = None
    source: str | None = None
    quality: float | None = None
    created_at: datetime | None = None

    @property
    def messages(self) -> list[JsonObject]:
        """The conversation, oldest message first."""
        messages: list[JsonObject] = self.content["messages"]
        return messages

    @property
    def answer(self) -> str:
        """What the last message says, as one text: what the model is to learn."""
        return answer_of(self.messages[-1])

    @property
    def prompt(self) -> list[JsonObject]:
        """The messages before the answer."""
        return self.messages[:-1]


def canonical(content: Any) -> str:
    """The content as JSON with sorted keys and no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(message: JsonObject) -> str:
    """A message's text: its content string, or its text parts joined by new lines."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text") or "" for part in content)
    return content or ""


def answer_of(message: JsonObject) -> str:
    """What an assistant message says, as one text: its tool calls by name and arguments in order, else its text.

    Calls are `tool_calls: ` and a JSON list; ids, spacing, the order of arguments and a text beside the calls don't
    count, and the older `function_call` is one call.
    """
    calls = message.get("tool_calls") or ([{"function": call}] if (call := message.get("function_call")) else [])
    if not calls:
        return text_of(message)
    return f"{CALLS}[{','.join(_call(call) for call in (calls if isinstance(calls, list) else [calls]))}]"


def _call(call: Any) -> str:
    """One call as JSON; what names no function, such as a custom tool's call, as it is but for its id."""
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(function, dict):
        return f'{{"arguments":{_arguments(function.get("arguments"))},"name":{json.dumps(function.get("name"))}}}'
    return json.dumps({**call, "id": None} if isinstance(call, dict) else call, sort_keys=True)


def _arguments(given: Any) -> str:
    """Arguments as canonical JSON; none are no arguments, and text that can't be read as JSON stands for itself."""
    try:
        text = canonical(json.loads((given or "").strip() or "{}") if isinstance(given, str | None) else given)
        text.encode()
    except (ValueError, RecursionError):  # a model may write anything, half a surrogate pair too
        return json.dumps(given)
    return text


def read_example(row: Any, line: int, split: Split | None = None) -> Example | list[Problem]:
    """The example that a parsed line holds, or its problems, at most a hundred; `split` is the default of its drop."""
    if not isinstance(row, dict):
        return [Problem(line=line, path="$", code="not_an_object", message="A line must be one JSON object.")]
    found = islice(_problems(row), PROBLEMS_KEPT)
    if problems := [Problem(line=line, path=path, code=code, message=text) for path, code, text in found]:
        return problems
    if taken := [name for name in MADE_FIELDS if name in row]:
        return [_field_problem(line, (name,), "A line has no such field") for name in taken]
    content = {name: row[name] for name in CONTENT_FIELDS if row.get(name) is not None}
    known = {name: value for name, value in row.items() if name in Example.model_fields}
    unknown = (name for name in row if name not in known and name not in CONTENT_FIELDS)
    ours = {**known, **dict.fromkeys(islice(unknown, PROBLEMS_KEPT))}
    ours["split"] = split if ours.get("split") is None else ours["split"]
    try:
        canonical(ours).encode()  # like the digest: fails on text that can't be stored
        return Example.model_validate({**ours, "id": digest(canonical(content)), "content": content})
    except UnicodeEncodeError:
        return [Problem(line=line, path="$", code="invalid_text", message="Text must not hold half a surrogate pair.")]
    except ValidationError as error:
        return [_field_problem(line, details["loc"], details["msg"]) for details in error.errors(include_input=False)]


def _field_problem(line: int, loc: tuple[int | str, ...], message: str) -> Problem:
    allowed = ", ".join([*CONTENT_FIELDS, *(name for name in Example.model_fields if name not in MADE_FIELDS)])
    path = ".".join(["$", *map(name_in, loc)])[:LONGEST_PATH]
    return Problem(line=line, path=path, code="invalid_field", message=f"{message}. Known fields: {allowed}.")


Found = tuple[str, str, str]
TOO_DEEP: Found = "$", "too_deep", f"Objects and lists may lie in each other {JSON_DEPTH} levels deep at most."


def _problems(row: JsonObject) -> Iterator[Found]:
    if _is_deeper(row, JSON_DEPTH):
        yield TOO_DEEP
        return
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "$.messages", "missing_messages", "`messages` must be a list of at least a user and an assistant message."
        return
    for index, message in enumerate(messages):
        yield from _message_problems(f"$.messages[{index}]", message)
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    if "assistant" not in roles:
        yield "$.messages", "no_assistant_message", "At least one message must have the role assistant."
    elif roles[-1] != "assistant":
        yield "$.messages[-1]", "last_not_assistant", "The last message must be the assistant's: it is what is learned."
    elif len(roles) == 1:
        yield "$.messages", "no_prompt", "A message must come before the assistant's: it is what is answered."
    tools = row.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield "$.tools", "invalid_tools", "`tools` must be a list of objects."
    if not isinstance(row.get("parallel_tool_calls"), bool | None):
        yield "$.parallel_tool_calls", "invalid_tools", "`parallel_tool_calls` must be true or false."


def _message_problems(path: str, message: Any) -> Iterator[Found]:
    if not isinstance(message, dict):
        yield path, "not_an_object", "A message must be an object with `role` and `content`."
        return
    role = message.get("role")
    if role not in ROLES:
        yield f"{path}.role", "unknown_role", f"`role` must be one of {', '.join(ROLES)}."
    weight = message.get("weight", 0)
    if "weight" in message and (role != "assistant" or isinstance(weight, bool) or weight not in (0, 1)):
        yield f"{path}.weight", "invalid_weight", "`weight` is 0 or 1 and stands on assistant messages only."
    content = message.get("content")
    calls = role == "assistant" and (message.get("tool_calls") or message.get("function_call"))
    if content is None and calls:
        return
    if not isinstance(content, str) and not _is_parts(content):
        yield f"{path}.content", "invalid_content", "`content` must be a string or a list of content parts."
    elif role == "assistant" and not text_of(message).strip() and not calls:
        yield f"{path}.content", "empty_answer", "An assistant message must say something or call a tool."


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, dict) and "type" in part and isinstance(part.get("text"), str | None) for part in content
    )


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other beyond that many levels; far beyond, none can be written as JSON."""
    parts = value.values() if isinstance(value, dict) else value
    inner = [part for part in parts if isinstance(part, dict | list)]
    return bool(inner) and (levels <= 1 or any(_is_deeper(part, levels - 1) for part in inner))
