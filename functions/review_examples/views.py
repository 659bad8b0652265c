"""What callers of the review routes send and read."""

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
    str | None, Query(min_length=1, max_length=SEARCH_CHARACTERS, description="What somebody says in it, in any case.")
]

# Content as the document shows it; what it may hold is checked by `read_example`.
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


DECIDED = ("status", "quality", "category", "note", "content")


class Change(BaseModel):
    """What is decided; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    quality: Share | None = None
    category: str | None = Field(default=None, min_length=1, max_length=CATEGORY_CHARACTERS)
    note: str | None = Field(default=None, min_length=1, max_length=NOTE_CHARACTERS)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        names = [name for name in DECIDED if name in type(self).model_fields]
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"a decision says something: one of {', '.join(names)}")
        return self


class ExampleChange(Change):
    """A decision on one example by somebody who saw `version` of it; `content` is the whole example as it should be."""

    example: ExampleId
    version: StrictInt = Field(ge=0, le=1_000_000)
    content: Content | None = None


class NewReviews(BaseModel):
    """Decisions on up to 1,000 examples, or one `change` of all that match a filter as they stood at a revision."""

    model_config = ConfigDict(extra="forbid")

    reviews: list[ExampleChange] | None = Field(default=None, min_length=1, max_length=REVIEWS_AT_ONCE)
    matching: ExampleFilter | None = None
    change: Change | None = None
    revision: StrictInt | None = Field(default=None, ge=1, le=10**9)
    after: ExampleId | None = Field(default=None, description="`next` of the answer before.")
    reviewer: str | None = Field(default=None, min_length=1, max_length=REVIEWER_CHARACTERS)

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        matching = (self.matching, self.change, self.revision)
        if (self.reviews is None) == (None in matching) or (self.reviews and any((*matching, self.after))):
            raise ValueError("send either `reviews`, or `matching` with `change` and `revision`")
        return self

    @model_validator(mode="after")
    def _changes_what_matches(self) -> Self:
        if self.change and self.change.model_dump(exclude={"note"}, exclude_none=True) == {}:
            raise ValueError(
                "a `note` alone changes nothing of what matches; set a status, quality or category with it"
            )
        return self


class Refusal(BaseModel):
    """A decision that was not taken and why; `version` is the example's current one, to look at and decide again."""

    example: str
    code: str
    message: str
    version: int | None = None


class Reviewed(BaseModel):
    """What became of decisions: `changed` stand, sent twice or not; with `next` there are more that match."""

    revision: int
    changed: int
    refused: list[Refusal]
    next: str | None = None


class ExampleView(BaseModel):
    """An example as it stands; `content` is null where it alone is too large for an answer."""

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
    """A page of the `total` examples that match, as they were at a revision."""

    total: int
    revision: int


class ReviewView(BaseModel):
    """One decision that was taken; `content` is what it made of the example, where it edited it."""

    version: int
    status: Status | None
    quality: float | None
    category: str | None
    content: dict[str, Any] | None
    note: str | None
    reviewer: str
    created_at: datetime


class UseView(BaseModel):
    """What an export made of the example, and where that led: runs of the export, and the versions that they made."""

    export: Name
    revision: int
    outcome: str
    created_at: datetime
    runs: list[Name]
    versions: list[int]


class ExampleHistory(ExampleView):
    """An example with all that was decided about it, oldest first, and the exports that had it, newest first.

    `inferences` are the answers whose feedback made it, as far as it still says so.
    """

    original: dict[str, Any] | None
    inferences: list[str]
    reviews: list[ReviewView]
    uses: list[UseView]
    model: Name


def example_fields(stored: Stored, decision: Decision) -> dict[str, Any]:
    """The fields of an `ExampleView`."""
    ours = {name: getattr(stored, name) for name in ("id", "preference", "tokens", "split", "subject", "group")}
    return {
        **ours,
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
    """A decision as its users read it."""
    edited = content_of(read_line(review.line.encode())) if review.line else None
    return ReviewView(version=review.number, content=edited, **{name: getattr(review, name) for name in REVIEWED})


REVIEWED = ("status", "quality", "category", "note", "reviewer", "created_at")


def content_of(stored: Stored) -> JsonObject | None:
    """An example's content as it is sent, or None where no answer could hold it."""
    raw = bytes(stored.content)
    if len(raw) > PAGE_BYTES:
        return None
    content: JsonObject = msgspec.json.decode(raw)
    if not stored.preference:
        return content
    rejected = content.pop(OTHER_ANSWER)
    *prompt, preferred = content.pop("messages")
    given = {"messages": prompt, **content}
    return {"input": given, "preferred_output": [preferred], OTHER_ANSWER: rejected}
