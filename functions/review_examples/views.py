"""The request and response models of the review routes."""

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, WithJsonSchema, model_validator

from tuneloop.api.router import ListOf
from tuneloop.domain.chat.examples import OTHER_ANSWER, Split
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.core.ids import EXAMPLE_PATTERN, Name
from tuneloop.domain.core.limits import (
    CATEGORY_CHARACTERS,
    NOTE_CHARACTERS,
    PAGE_BYTES,
    REVIEWER_CHARACTERS,
    REVIEWS_AT_ONCE,
    SEARCH_CHARACTERS,
)
from tuneloop.domain.core.numbers import Share
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import Decision, Review, Status
from tuneloop.store.objects.segments import Stored, read_line

ExampleId = Annotated[str, Field(pattern=EXAMPLE_PATTERN, max_length=64)]
ExamplePath = Annotated[str, Path(pattern=EXAMPLE_PATTERN)]
StatusFilter = Annotated[Status | None, Query(description="Where examples stand.")]
SplitFilter = Annotated[Split | None, Query(description="The split that an example was marked for.")]
PreferenceFilter = Annotated[bool | None, Query(description="Preference pairs only, or none of them.")]
NameFilter = Annotated[str | None, Query(min_length=1, max_length=CATEGORY_CHARACTERS)]
QualityFilter = Annotated[float | None, Query(ge=0, le=1)]
TextFilter = Annotated[
    str | None, Query(min_length=1, max_length=SEARCH_CHARACTERS, description="Text in its messages; case is ignored.")
]

# The content of an edit as the OpenAPI document shows it; `read_example` checks what it really holds.
MESSAGES: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
CONTENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "A chat example (`messages`, `tools`, `parallel_tool_calls`) or a preference pair (the others).",
    "properties": {
        "messages": MESSAGES,
        "tools": {"anyOf": [MESSAGES, {"type": "null"}]},
        "parallel_tool_calls": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
}
Content = Annotated[dict[str, Any], WithJsonSchema(CONTENT)]

DECISION_FIELDS = ("status", "quality", "category", "note", "content")


class Change(BaseModel):
    """A decision: the fields to set; a field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    quality: Share | None = None
    category: str | None = Field(default=None, min_length=1, max_length=CATEGORY_CHARACTERS)
    note: str | None = Field(default=None, min_length=1, max_length=NOTE_CHARACTERS)

    @model_validator(mode="after")
    def _require_a_field(self) -> Self:
        names = [name for name in DECISION_FIELDS if name in type(self).model_fields]
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"a decision says something: one of {', '.join(names)}")
        return self


class ExampleChange(Change):
    """A decision on one example by somebody who saw `version` of it; `content` is the whole example as it should be."""

    example: ExampleId
    version: StrictInt = Field(ge=0, le=1_000_000)
    content: Content | None = None


class NewReviews(BaseModel):
    """Decisions on up to 1,000 examples, or one `change` of all examples that matched a filter at a `revision`."""

    model_config = ConfigDict(extra="forbid")

    reviews: list[ExampleChange] | None = Field(default=None, min_length=1, max_length=REVIEWS_AT_ONCE)
    matching: ExampleFilter | None = None
    change: Change | None = None
    revision: StrictInt | None = Field(default=None, ge=1, le=10**9)
    after: ExampleId | None = Field(default=None, description="`next` of the answer before.")
    reviewer: str | None = Field(default=None, min_length=1, max_length=REVIEWER_CHARACTERS)

    @model_validator(mode="after")
    def _require_one_form(self) -> Self:
        matching = (self.matching, self.change, self.revision)
        if (self.reviews is None) == (None in matching) or (self.reviews and any((*matching, self.after))):
            raise ValueError("send either `reviews`, or `matching` with `change` and `revision`")
        return self

    @model_validator(mode="after")
    def _require_more_than_a_note(self) -> Self:
        if self.change and self.change.model_dump(exclude={"note"}, exclude_none=True) == {}:
            raise ValueError(
                "a `note` alone changes nothing of what matches; set a status, quality or category with it"
            )
        return self


class Refusal(BaseModel):
    """A decision that was refused, and why; `version` is the example's current one, to review before deciding again."""

    example: str
    code: str
    message: str
    version: int | None = None


class Reviewed(BaseModel):
    """The result of a call: `changed` decisions are stored, repeated ones included; with `next` more examples match."""

    revision: int
    changed: int
    refused: list[Refusal]
    next: str | None = None


class ExampleView(BaseModel):
    """An example as it stands; `content` is null if it is too large for an answer even by itself."""

    id: str
    content: dict[str, Any] | None
    preference: bool
    tokens: int
    split: Split | None
    subject: str | None
    group: str | None
    category: str | None
    source: str | None
    quality: float | None
    created_at: datetime | None
    status: Status
    edited: bool
    reviewer: str | None
    reviewed_at: datetime | None
    version: int


class ExamplesPage(ListOf[ExampleView]):
    """A page of the `total` examples that matched a filter at a `revision`."""

    total: int
    revision: int


class ReviewView(BaseModel):
    """One stored decision; `content` is the example as the decision edited it, null if it edited nothing."""

    version: int
    status: Status | None
    quality: float | None
    category: str | None
    content: dict[str, Any] | None
    note: str | None
    reviewer: str
    created_at: datetime


class UseView(BaseModel):
    """An export's use of the example: its outcome there, the runs of the export, and the versions that they made."""

    export: Name
    revision: int
    outcome: str
    created_at: datetime
    runs: list[Name]
    versions: list[int]


class ExampleHistory(ExampleView):
    """An example with the decisions on it, oldest first, and the exports that included or left it out, newest first.

    `inferences` are the answers whose feedback made it or withdrew it: of each voter, the latest one.
    """

    original: dict[str, Any] | None
    inferences: list[str]
    reviews: list[ReviewView]
    uses: list[UseView]
    model: Name


def example_fields(stored: Stored, decision: Decision) -> dict[str, Any]:
    """The fields of an `ExampleView`: the stored example with the latest decision laid over it."""
    own_fields = {name: getattr(stored, name) for name in ("id", "preference", "tokens", "split", "subject", "group")}
    return {
        **own_fields,
        "content": content_of(stored),
        "category": decision.category_or(stored.category),
        "source": stored.source,
        "quality": decision.quality_or(stored.quality),
        "created_at": stored.created_at,
        "status": decision.status,
        "edited": decision.line is not None,
        "reviewer": decision.reviewer,
        "reviewed_at": decision.reviewed_at,
        "version": decision.number,
    }


def review_view(review: Review) -> ReviewView:
    """A stored review as the API shows it."""
    edited = content_of(read_line(review.line.encode())) if review.line else None
    return ReviewView(version=review.number, content=edited, **{name: getattr(review, name) for name in REVIEW_FIELDS})


REVIEW_FIELDS = ("status", "quality", "category", "note", "reviewer", "created_at")


def content_of(stored: Stored) -> JsonObject | None:
    """An example's content in OpenAI's format, or None where it is larger than PAGE_BYTES, which no answer holds."""
    raw = bytes(stored.content)
    if len(raw) > PAGE_BYTES:
        return None
    content: JsonObject = msgspec.json.decode(raw)
    if not stored.preference:
        return content
    rejected = content.pop(OTHER_ANSWER)
    *prompt, preferred = content.pop("messages")
    prompt_fields = {"messages": prompt, **content}
    return {"input": prompt_fields, "preferred_output": [preferred], OTHER_ANSWER: rejected}
