"""Examples: what one training line may look like, and what makes two of them the same.

The content is OpenAI's chat format (`messages`, `tools`, `parallel_tool_calls`); beside it stand fields of ours that
never reach a provider. An example's id is the hash of its canonical content alone, so the same conversation is the same
example whoever sends it, however its JSON was written. What may stand in a line is said by `rules`.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationError

from tuneloop.domain.chat.messages import CALLS, PROMPT_ROLES, ROLES, JsonObject, answer_of, canonical, text_of
from tuneloop.domain.chat.normalization import functions_as_tools, normalize
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.chat.rules.lines import PREFERENCE_FIELDS, is_preference, preference_problems, supervised_problems
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.json_values import UNICODE, find_flaw
from tuneloop.domain.core.limits import JSON_DEPTH, PROBLEMS_KEPT
from tuneloop.domain.core.redaction import safe_name

__all__ = [
    "CALLS", "CONTENT_FIELDS", "OTHER_ANSWER", "PROMPT_ROLES", "ROLES", "TOO_DEEP", "Example", "JsonObject", "Problem",
    "Split", "Violation", "answer_of", "canonical", "is_deeper", "read_example", "text_of",
]  # fmt: skip

STORED_FIELDS = ("messages", "tools", "parallel_tool_calls")
CONTENT_FIELDS = (*STORED_FIELDS, "functions")  # of a line: these become `tools`
OTHER_ANSWER = "non_preferred_output"
OTHER_FORMS = (
    "output",
    "user_message",
    "assistant_response",
    "prompt",
    "completion",
)  # made into messages by `shaping`
MADE_FIELDS = ("id", "content")  # of an example, but none of a line
LONGEST_PATH = 200


def _written_out(value: Any) -> Any:
    """A time as its users mean it: a bare number would be taken for seconds since 1970."""
    if isinstance(value, str) and not DATE.match(value.strip()):
        raise ValueError("a time is written in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z")
    if isinstance(value, int | float):
        raise ValueError("a time is a text in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z")
    return value


DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
Moment = Annotated[datetime, BeforeValidator(_written_out)]
"""A time that its sender wrote out."""


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
    created_at: Moment | None = None

    _former_id: str | None = PrivateAttr(None)

    @property
    def former_id(self) -> str | None:
        """The id that its line had before 2026-12, when nulls were a part of it; None where it had no other one."""
        return self._former_id

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


def read_example(row: Any, line: int, split: Split | None = None) -> Example | list[Problem]:
    """The example that a parsed line holds, or its problems, at most a hundred; `split` is the default of its drop."""
    return read_normalized(normalize(row), line, split, row)


def read_normalized(row: Any, line: int, split: Split | None = None, sent: Any = None) -> Example | list[Problem]:
    """Read a row that `normalized` gave as an example; its problems, at most a hundred, where it is none.

    `sent` is the row before that, if it has messages; by it the example's former id is known.
    """
    if not isinstance(row, dict):
        return [Problem(line=line, path="$", code="not_an_object", message=_not_an_object(row))]
    found = islice(_problems(row), PROBLEMS_KEPT)
    if problems := [Problem(line=line, path=path, code=code, message=text) for path, code, text in found]:
        return problems
    if taken := [name for name in MADE_FIELDS if name in row]:
        return [_field_problem(line, (name,), "A line has no such field") for name in taken]
    content = _content(row)
    known = {name: value for name, value in row.items() if name in Example.model_fields}
    fields = PREFERENCE_FIELDS if is_preference(row) else CONTENT_FIELDS
    unknown = (name for name in row if name not in known and name not in fields)
    ours = {**known, **dict.fromkeys(islice(unknown, PROBLEMS_KEPT))}
    ours["split"] = split if ours.get("split") is None else ours["split"]
    try:
        json.dumps([ours, content], ensure_ascii=False).encode()  # many times as fast as looking for a half character
        example = Example.model_validate({**ours, "id": digest(canonical(content)), "content": content})
        example._former_id = None if sent is None else _former_id(sent, content)
        return example
    except UnicodeEncodeError:
        path, flaw = find_flaw(row) or ("$", UNICODE)
        return [Problem(line=line, path=path[:LONGEST_PATH], code=flaw.code, message=f"A value {flaw.rule}")]
    except ValidationError as error:
        return [_field_problem(line, details["loc"], details["msg"]) for details in error.errors(include_input=False)]


def _not_an_object(row: Any) -> str:
    """What would be right where a line is JSON but no object, by what it is instead."""
    if isinstance(row, str):
        return "A line must be one JSON object; this one is a text, in which JSON may stand, but quoted."
    if not isinstance(row, list) or not isinstance(next(iter(row), None), dict | str):
        return "A line must be one JSON object."
    if all(isinstance(each, dict) and "role" in each for each in row):
        return "A line must be one JSON object; this one is a list of messages, which an example has as `messages`."
    return "A line must be one JSON object; this one is a list. JSONL has an object on each line, and no list around."


OURS = tuple(name for name in Example.model_fields if name not in MADE_FIELDS)


def _field_problem(line: int, loc: tuple[int | str, ...], message: str) -> Problem:
    allowed = ", ".join([*STORED_FIELDS, *OURS, *PREFERENCE_FIELDS, *OTHER_FORMS, "functions"])
    path, message = ".".join(["$", *map(safe_name, loc)])[:LONGEST_PATH], message.removeprefix("Value error, ")
    return Problem(line=line, path=path, code="invalid_field", message=f"{message}. Known fields: {allowed}.")


TOO_DEEP: Violation = "$", "too_deep", f"Objects and lists may lie in each other {JSON_DEPTH} levels deep at most."


def _problems(row: JsonObject) -> Iterator[Violation]:
    if is_deeper(row, JSON_DEPTH):
        yield TOO_DEEP
    elif is_preference(row):
        yield from preference_problems(row)
    else:
        yield from supervised_problems(row)


def _content(row: JsonObject) -> JsonObject:
    """What of a valid line is the example itself; a preference pair is the conversation that is liked better.

    The other answer stands beside it as `non_preferred_output`.
    """
    if not is_preference(row):
        plain = functions_as_tools(row)
        return {name: plain[name] for name in STORED_FIELDS if name in plain}
    given, preferred, other = (row[name] for name in PREFERENCE_FIELDS)
    return {**_content({**given, "messages": [*given["messages"], *preferred]}), OTHER_ANSWER: other}


def _former_id(sent: JsonObject, content: JsonObject) -> str | None:
    """The id that a valid row would have had with its nulls; None where it has none, or was too deep with them."""
    former = _former_content(sent, OTHER_ANSWER in content)
    if former == content or is_deeper(sent, JSON_DEPTH):
        return None
    return digest(canonical(former))


def _former_content(sent: JsonObject, is_pair: bool) -> JsonObject:
    """The content of a valid row as it was before rows were normalized: with its nulls, but for those of the row."""
    if not is_pair:
        return {name: sent[name] for name in STORED_FIELDS if sent.get(name) is not None}
    given, preferred, other = (sent[name] for name in PREFERENCE_FIELDS)
    chat = _former_content({**given, "messages": [*given["messages"], *preferred]}, is_pair=False)
    return {**chat, OTHER_ANSWER: other}


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other beyond that many levels; far beyond, none can be written as JSON."""
    parts = value.values() if isinstance(value, dict) else value
    inner = [part for part in parts if isinstance(part, dict | list)]
    return bool(inner) and (levels <= 1 or any(is_deeper(part, levels - 1) for part in inner))
