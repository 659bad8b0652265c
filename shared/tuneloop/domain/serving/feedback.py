"""Feedback: a user's opinion of one answer, and the examples made from it.

"This was right" and "it should have been …" become examples if the feedback includes the conversation, since prompts
are not stored; other feedback is only counted. A correction also makes a preference pair, with the correction as the
preferred answer. A correction that changes only letter case or white space makes no example.
"""

import json
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from tuneloop.domain.chat.messages import JsonObject, canonical, parse_json_text, storable
from tuneloop.domain.chat.normalization import normalize, plain_answer_text
from tuneloop.domain.chat.rules.conversations import TOOL_LISTS, message_problems, tools_problems
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import Name
from tuneloop.domain.datasets.origins import Origin
from tuneloop.domain.serving.routing import replace_system_prompt

LONGEST_TEXT = 100_000  # characters of an answer or a correction, the limit of a version's prompt too
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]


def _text_in_message(value: Any) -> Any:
    """The text of an assistant's message; any other value is returned as it is."""
    if not isinstance(value, dict) or value.get("role") != "assistant" or "content" not in value:
        return value
    if (text := plain_answer_text(value)) is None:
        raise ValueError("give the text of the answer, or a message of the assistant that says a text and nothing else")
    return text


# An answer as a text, or the message that an API's client gave for it.
TextOrMessage = BeforeValidator(_text_in_message)
# The OpenAPI schema of messages and tools; their contents are checked by the rules of examples.
OBJECTS: JsonObject = {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]}


def _is_true(value: object) -> object:
    """The value itself; ValueError for a number, as 1 and 1.0 equal true."""
    if not isinstance(value, bool):
        raise ValueError("must be true")
    return value


class Feedback(BaseModel):
    """What a user thought of one answer: a rating of 1 to 5, that it was right, or what it should have been.

    With `messages` (what was asked) and `answer` (what was answered) it becomes an example. A `correction` is the whole
    answer, or the JSON fields that were wrong, named in `correction_fields`. In the place of the text of an answer or
    correction may stand the assistant's message, as a client gives it.
    """

    model_config = ConfigDict(extra="forbid")

    inference_id: str = Field(max_length=300)
    rating: int | None = Field(default=None, ge=1, le=5, strict=True)
    correct: Annotated[Literal[True], BeforeValidator(_is_true)] | None = None
    correction: Annotated[Text | dict[str, Any] | None, TextOrMessage] = None
    correction_fields: list[Text] | None = Field(default=None, min_length=1, max_length=100)
    messages: Annotated[list[Any] | None, WithJsonSchema(OBJECTS)] = Field(default=None, min_length=1)
    tools: Annotated[Any, WithJsonSchema(OBJECTS)] = None
    functions: Annotated[Any, WithJsonSchema(OBJECTS)] = Field(default=None, description="Of OpenAI's older form.")
    answer: Annotated[Text | None, TextOrMessage] = None
    dataset: Name | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=200)
    category: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.rating is None and self.correction is None and not self.correct:
            raise ValueError("feedback needs a `rating`, `correct: true`, a `correction`, or several of them")
        if self.correct and self.correction is not None:
            raise ValueError("an answer is `correct` or has a `correction`, not both")
        if self.correction_fields and not isinstance(self.correction, dict):
            raise ValueError("`correction_fields` names fields of a `correction` that is a JSON object")
        return self


def require_objects(feedback: Feedback) -> None:
    """Raise InvalidInput, with the code and path of the broken rule, for messages or tools that are not objects."""
    messages = enumerate(feedback.messages or ())
    faulty = [message_problems(f"$.messages[{place}]", sent) for place, sent in messages if not isinstance(sent, dict)]
    offered = normalize({name: getattr(feedback, name) for name in TOOL_LISTS})
    for path, code, rule in chain(*faulty, tools_problems("$", offered)):
        raise InvalidInput(rule, param=path.removeprefix("$."), code=code)


class NoExampleReason(StrEnum):
    """The reason why feedback becomes no example."""

    ONLY_RATED = "only_rated"
    NO_PROMPT = "no_prompt"
    NO_ANSWER = "no_answer"
    SAME_ANSWER = "same_answer"


NO_EXAMPLE_TEXTS = {
    NoExampleReason.ONLY_RATED: "A rating alone says what it is worth, not what is right.",
    NoExampleReason.NO_PROMPT: "It is counted. To be trained on it needs `messages`: what was asked is not kept here.",
    NoExampleReason.NO_ANSWER: "It is counted. To be trained on, `correct` needs the `answer` that was given.",
    NoExampleReason.SAME_ANSWER: "The correction says the same as the answer but for letter case or white space.",
}


class ExtractedRows(NamedTuple):
    """The lines made from feedback, the supervised one first, or the reason why there are none."""

    rows: list[JsonObject]
    why: NoExampleReason | None = None


def extract_rows(
    feedback: Feedback, subject: str | None, day: str, prompt: str | None = None, template: Template | None = None
) -> ExtractedRows:
    """The lines made from a subject's feedback; InvalidInput if an answer in it can't be trained on.

    The lines are dated by the `day` of the answer, so that feedback sent again makes equal lines. They begin with the
    `prompt` that the dataset's versions are served with, and their answers follow the dataset's template.
    """
    right = feedback.answer if feedback.correct else corrected_answer(feedback)
    if right is not None and feedback.correction is not None and _is_same_answer(right, feedback.answer):
        return ExtractedRows([], NoExampleReason.SAME_ANSWER)
    if right is None:
        return ExtractedRows([], NoExampleReason.NO_ANSWER if feedback.correct else NoExampleReason.ONLY_RATED)
    if not feedback.messages:
        return ExtractedRows([], NoExampleReason.NO_PROMPT)
    if feedback.messages[-1].get("role") == "assistant":
        rule = "`messages` end with what was asked; what was answered is the `answer`."
        raise InvalidInput(rule, param="messages")
    right = _by_template(right, template, "answer" if feedback.correct else "correction")
    asked = replace_system_prompt(prompt, feedback.messages)
    offered = {name: tools for name in TOOL_LISTS if (tools := getattr(feedback, name)) is not None}
    given: JsonObject = {"messages": asked, **offered}
    origin = Origin.CONFIRMATION if feedback.correct else Origin.CORRECTION
    created = f"{day}T00:00:00Z"
    ours = {"source": origin.value, "subject": subject, "category": feedback.category, "created_at": created}
    rows: list[JsonObject] = [{**given, "messages": [*asked, _message(right)], **ours}]
    if feedback.correction is not None and feedback.answer:
        pair = {"preferred_output": [_message(right)], "non_preferred_output": [_message(feedback.answer)]}
        rows.append({"input": given, **pair, **ours})
    return ExtractedRows(rows)


def corrected_answer(feedback: Feedback) -> str | None:
    """The whole corrected answer; None without a correction, InvalidInput if its fields don't fit the answer."""
    if not isinstance(feedback.correction, dict):
        return feedback.correction
    if not feedback.correction_fields:
        return _format_like(feedback.correction, feedback.answer)
    if unknown := sorted(set(feedback.correction_fields) - set(feedback.correction)):
        raise InvalidInput(f"`correction` has no field {unknown[0]!r}.", param="correction_fields")
    answer = _json_or_none(feedback.answer)
    if not isinstance(answer, dict):
        rule = "A correction of some fields needs the `answer` that was given, as the JSON object that it was."
        raise InvalidInput(rule, param="answer")
    fields = {name: feedback.correction[name] for name in feedback.correction_fields}
    return _format_like({**answer, **fields}, feedback.answer)


def _by_template(answer: str, template: Template | None, param: str) -> str:
    """An answer in the form of the template's answers; InvalidInput if it breaks the template's schema."""
    if template is None or template.answer_schema is None:
        return answer
    for path, code, rule in template.faults_of_answer(answer):
        raise InvalidInput(rule.replace("`output`", f"`{param}`"), param=path.replace("$.output", param, 1), code=code)
    return template.answer(answer)


def _message(text: str) -> JsonObject:
    return {"role": "assistant", "content": text}


def _json_or_none(text: str | None) -> Any:
    try:
        return parse_json_text(text or "")
    except ValueError:
        return None


JSON_STYLES: tuple[dict[str, Any], ...] = ({}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4})


def _format_like(value: JsonObject, like: str | None) -> str:
    """An object as JSON in the spacing of the text `like`, so that the model isn't taught another spacing."""
    old_value = _json_or_none(like)
    style = next((style for style in JSON_STYLES if like == _dump(old_value, style)), JSON_STYLES[0])
    return _dump(value, style)


def _dump(value: Any, style: dict[str, Any]) -> str:
    return storable(json.dumps(value, ensure_ascii=False, **style))


def _is_same_answer(one: str, other: str | None) -> bool:
    return other is not None and _fold(one) == _fold(other)


def _fold(text: str) -> str:
    value = _json_or_none(text)
    plain = canonical(value) if isinstance(value, dict | list) else text
    return " ".join(plain.split()).casefold()
