"""Examples: a training line read as an example or as problems, and the id by which equal examples are one.

An example's content is in OpenAI's chat format (`messages`, `tools`, `parallel_tool_calls`); beside it stand fields of
ours that never reach a provider. The id is the hash of the canonical content alone, so the same conversation is the
same example whoever sends it, however its JSON was written. `rules` say what a line may hold.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationError

from tuneloop.domain.chat.messages import JsonObject, answer_of, canonical, is_deeper
from tuneloop.domain.chat.normalization import functions_as_tools, normalize
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.chat.rules.lines import PREFERENCE_FIELDS, is_preference, preference_problems, supervised_problems
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.json_values import INVALID_UNICODE, find_flaw
from tuneloop.domain.core.limits import JSON_DEPTH, PROBLEMS_KEPT
from tuneloop.domain.core.redaction import safe_name

STORED_FIELDS = ("messages", "tools", "parallel_tool_calls")
CONTENT_FIELDS = (*STORED_FIELDS, "functions")  # of a line, whose `functions` become `tools`
OTHER_ANSWER = "non_preferred_output"
# Fields of other forms of a line, which `datasets.records` turns into messages.
OTHER_FORMS = ("output", "user_message", "assistant_response", "prompt", "completion")
DERIVED_FIELDS = ("id", "content")  # fields of an example that a line doesn't have
LONGEST_PATH = 200  # characters of a problem's path: a row holds a hundred problems, and a key may be as long as a line
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TOO_DEEP: Violation = "$", "too_deep", f"Objects and lists may lie in each other {JSON_DEPTH} levels deep at most."


def _require_iso_text(value: Any) -> Any:
    """The value; ValueError for a number, as JSON or as text, which pydantic takes for seconds since 1970."""
    if isinstance(value, str) and not DATE.match(value.strip()):
        raise ValueError("a time is written in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z")
    if isinstance(value, int | float):
        raise ValueError("a time is a text in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_require_iso_text)]
"""A time in ISO 8601, as text."""


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
        """The id that the line had before 2026-12, when nulls counted as content; None if it equals `id`."""
        return self._former_id

    @property
    def messages(self) -> list[JsonObject]:
        """The conversation, oldest message first."""
        messages: list[JsonObject] = self.content["messages"]
        return messages

    @property
    def answer(self) -> str:
        """The last message as one text: the answer that the model is to learn."""
        return answer_of(self.messages[-1])

    @property
    def prompt(self) -> list[JsonObject]:
        """The messages before the answer."""
        return self.messages[:-1]


OWN_FIELDS = tuple(name for name in Example.model_fields if name not in DERIVED_FIELDS)


def read_example(row: Any, line: int, split: Split | None = None) -> Example | list[Problem]:
    """Read a parsed line as an example, or as its problems, at most a hundred.

    `line` is its number, for problems; `split` is that of the example where the line names none.
    """
    return read_normalized(normalize(row), line, split, row)


def read_normalized(row: Any, line: int, split: Split | None = None, raw_row: Any = None) -> Example | list[Problem]:
    """Read an already normalized row as an example, or as its problems, at most a hundred.

    `raw_row` is the row before normalization, if it has messages; from it the example's former id is computed.
    """
    if not isinstance(row, dict):
        return [Problem(line=line, path="$", code="not_an_object", message=_not_an_object(row))]
    violations = islice(_violations(row), PROBLEMS_KEPT)
    if problems := [Problem(line=line, path=path, code=code, message=text) for path, code, text in violations]:
        return problems
    if derived := [name for name in DERIVED_FIELDS if name in row]:
        return [_field_problem(line, (name,), "A line has no such field") for name in derived]
    content = _content(row)
    own_fields = {name: value for name, value in row.items() if name in Example.model_fields}
    fields = PREFERENCE_FIELDS if is_preference(row) else CONTENT_FIELDS
    unknown = (name for name in row if name not in own_fields and name not in fields)
    # Unknown names go to the model too, which refuses each of them as a problem of its own.
    own_fields = {**own_fields, **dict.fromkeys(islice(unknown, PROBLEMS_KEPT))}
    own_fields["split"] = split if own_fields.get("split") is None else own_fields["split"]
    try:
        # Encoding fails for half a character, and is far faster than a search for one.
        json.dumps([own_fields, content], ensure_ascii=False).encode()
        example = Example.model_validate({**own_fields, "id": digest(canonical(content)), "content": content})
        example._former_id = None if raw_row is None else _former_id(raw_row, content)
        return example
    except UnicodeEncodeError:
        path, flaw = find_flaw(row) or ("$", INVALID_UNICODE)
        return [Problem(line=line, path=path[:LONGEST_PATH], code=flaw.code, message=f"A value {flaw.rule}")]
    except ValidationError as error:
        return [_field_problem(line, details["loc"], details["msg"]) for details in error.errors(include_input=False)]


def _not_an_object(row: Any) -> str:
    """The message for a line that is JSON but no object: what would be right, by what the line is instead."""
    if isinstance(row, str):
        return "A line must be one JSON object; this one is a text, in which JSON may stand, but quoted."
    if not isinstance(row, list) or not isinstance(next(iter(row), None), dict | str):
        return "A line must be one JSON object."
    if all(isinstance(message, dict) and "role" in message for message in row):
        return "A line must be one JSON object; this one is a list of messages, which an example has as `messages`."
    return "A line must be one JSON object; this one is a list. JSONL has an object on each line, and no list around."


def _field_problem(line: int, loc: tuple[int | str, ...], message: str) -> Problem:
    allowed = ", ".join([*STORED_FIELDS, *OWN_FIELDS, *PREFERENCE_FIELDS, *OTHER_FORMS, "functions"])
    path, message = ".".join(["$", *map(safe_name, loc)])[:LONGEST_PATH], message.removeprefix("Value error, ")
    return Problem(line=line, path=path, code="invalid_field", message=f"{message}. Known fields: {allowed}.")


def _violations(row: JsonObject) -> Iterator[Violation]:
    if is_deeper(row, JSON_DEPTH):
        yield TOO_DEEP
    elif is_preference(row):
        yield from preference_problems(row)
    else:
        yield from supervised_problems(row)


def _content(row: JsonObject) -> JsonObject:
    """The content of a valid line, by whose hash the example is identified.

    A preference pair's content is the prompt with the preferred answer, and the other answer as `non_preferred_output`.
    """
    if not is_preference(row):
        plain = functions_as_tools(row)
        return {name: plain[name] for name in STORED_FIELDS if name in plain}
    given, preferred, other = (row[name] for name in PREFERENCE_FIELDS)
    return {**_content({**given, "messages": [*given["messages"], *preferred]}), OTHER_ANSWER: other}


def _former_id(raw_row: JsonObject, content: JsonObject) -> str | None:
    """The id of a valid row with its nulls; None if it equals the id without, or the raw row was nested too deeply."""
    former = _former_content(raw_row, OTHER_ANSWER in content)
    if former == content or is_deeper(raw_row, JSON_DEPTH):
        return None
    return digest(canonical(former))


def _former_content(raw_row: JsonObject, is_pair: bool) -> JsonObject:
    """The content of a valid row as it was computed before rows were normalized: nulls inside the fields count."""
    if not is_pair:
        return {name: raw_row[name] for name in STORED_FIELDS if raw_row.get(name) is not None}
    given, preferred, other = (raw_row[name] for name in PREFERENCE_FIELDS)
    chat = _former_content({**given, "messages": [*given["messages"], *preferred]}, is_pair=False)
    return {**chat, OTHER_ANSWER: other}
