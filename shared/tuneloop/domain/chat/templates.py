"""Templates: how `{input, output}` becomes a conversation, so that a model is trained and served with the same words.

`{{name}}` in the user's message is a place for that key of `input`, `{{input}}` one for the whole of it. A text that
was filled in is not searched for places again, so an input can't add any. The system message has no places: it is
served as it is.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tuneloop.domain.chat.answer_schemas import TooManySteps, faults_in, fits, order_names, resolve_references
from tuneloop.domain.chat.messages import JsonObject, KeptAsText, answer_of, canonical, parse_json_text, storable
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.core.limits import TEMPLATE_BYTES

PLACE = re.compile(r"\{\{\s*([\w.-]{1,64})\s*\}\}", re.ASCII)
REPEATS = 3  # times that a place may stand in a message, which so is at most about three times as long as its input


class Template(BaseModel):
    """The user's message that `input` is filled into, the system message before it, and the schema of `output`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str | None = Field(default=None, min_length=1)
    user: str = Field(default="{{input}}", min_length=1)
    answer_schema: KeptAsText | None = None

    @field_validator("system")
    @classmethod
    def _has_no_places(cls, system: str | None) -> str | None:
        if system and PLACE.search(system):
            raise ValueError("the system message is served as it is, so it can't have {{places}}")
        return system

    @field_validator("user")
    @classmethod
    def _has_places(cls, user: str) -> str:
        places = Counter(PLACE.findall(user))
        if not places or max(places.values()) > REPEATS:
            raise ValueError(f"it must have a {{{{place}}}} for the input, and each at most {REPEATS} times")
        return user

    @field_validator("answer_schema")
    @classmethod
    def _can_be_checked(cls, schema: JsonObject | None) -> JsonObject | None:
        if schema is not None:
            resolve_references(schema)
        return schema

    @model_validator(mode="after")
    def _is_short(self) -> Self:
        if len(self.model_dump_json().encode()) > TEMPLATE_BYTES:
            raise ValueError(f"a template may have {TEMPLATE_BYTES >> 10} KiB at most")
        return self

    @property
    def parameters(self) -> JsonObject:
        """The request parameters of a version trained on this template, so that its answers keep to the schema."""
        if not self.answer_schema or self.answer_schema.get("type") != "object":
            return {}
        schema = {"name": "answer", "schema": self.answer_schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    @cached_property
    def _schema(self) -> JsonObject | None:
        return None if self.answer_schema is None else resolve_references(self.answer_schema)

    @cached_property
    def _places(self) -> list[str]:
        return list(dict.fromkeys(PLACE.findall(self.user)))

    def parse_input(self, row: JsonObject) -> JsonObject:
        """A CSV row, whose cells are texts, with `input` parsed as a JSON object if the template names keys of it."""
        given = row.get("input")
        if not isinstance(given, str) or self._places == ["input"]:
            return row
        try:
            value = parse_json_text(given)
        except ValueError:
            return row
        return {**row, "input": value} if isinstance(value, dict) else row

    def faults(self, row: JsonObject) -> Iterator[Violation]:
        """The reasons why a row's `input` and `output` can't be rendered."""
        given, output = row.get("input"), row.get("output")
        if not isinstance(given, str | dict):
            yield "$.input", "invalid_input", "`input` must be a text or an object, for the template to be filled from."
        else:
            values = _placeholders(given)
            missing = [place for place in self._places if values.get(place) is None]  # null would read as "null"
            for place in missing:
                text = "The template has a place of this name; `input` must be an object that fills it, with something."
                yield f"$.input.{place}", "missing_input", text
        if output is None:
            yield "$.output", "missing_output", "`output` must be there: the answer, as text or as JSON."
        else:
            yield from self.faults_of_answer(output)

    def could_have_made(self, messages: list[JsonObject]) -> bool:
        """Whether a conversation has this template's system prompt (or neither has one) and a valid answer."""
        system = messages[0].get("content") if messages[0]["role"] == "system" else None
        return system == self.system and not any(self.faults_of_answer(answer_of(messages[-1])))

    def messages(self, row: JsonObject) -> list[JsonObject]:
        """The conversation that a row without faults is rendered to."""
        values = _placeholders(row["input"])
        user = PLACE.sub(lambda place: _render(values[place[1]]), self.user)
        turns = [{"role": "user", "content": user}, {"role": "assistant", "content": self.answer(row["output"])}]
        return [{"role": "system", "content": self.system}, *turns] if self.system else turns

    def faults_of_answer(self, output: Any) -> Iterator[Violation]:
        """The places where an answer breaks the schema; none if the template has no schema."""
        schema = self._schema
        try:
            if schema is None or (isinstance(output, str) and fits(output, schema)):
                return
            value = parse_json_text(output) if isinstance(output, str) else output
            for fault in faults_in(value, schema):
                path = f"$.output{fault.path}"
                yield path, "breaks_answer_schema", f"By the template's `answer_schema` this {fault.rule}."
        except ValueError:
            yield "$.output", "answer_not_json", "`output` must be JSON that keeps to the template's `answer_schema`."
        except TooManySteps:
            rule = "`output` has too many parts to be checked against an `answer_schema` of so many."
            yield "$.output", "answer_too_large", rule

    def answer(self, output: Any) -> str:
        """The answer as the model is to write it: a text as it is, JSON in the schema's order and without spaces."""
        schema = self._schema
        if isinstance(output, str) and (schema is None or fits(output, schema)):
            return output
        value = parse_json_text(output) if isinstance(output, str) else output
        return storable(json.dumps(order_names(value, schema or {}), separators=(",", ":"), ensure_ascii=False))


def _placeholders(given: str | JsonObject) -> JsonObject:
    return {"input": given, **given} if isinstance(given, dict) else {"input": given}


def _render(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
