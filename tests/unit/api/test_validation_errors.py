"""What pydantic finds wrong, in words that say what would be right."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tuneloop.api.validation_errors import explain, in_words
from tuneloop.domain.core.ids import Name
from tuneloop.domain.datasets.drops import FILENAME

TIME = "must be a time in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z"


class Kind(StrEnum):
    LATE = "late"
    LOST = "lost"


class Part(BaseModel):
    text: str


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    rows: list[int] = Field(min_length=1, max_length=2)
    field: dict[str, Any] = {}
    rating: int = Field(default=1, ge=1)
    share: float | None = Field(default=None, gt=0, lt=0.5)
    most: int | None = Field(default=None, le=10**9)
    price: Decimal | None = None
    is_new: bool | None = None
    day: date | None = None
    made: datetime | None = None
    note: str | None = Field(default=None, min_length=1, max_length=2000)
    kind: Kind | None = None
    word: Literal["yes", "no"] | None = None
    example: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    file: str | None = Field(default=None, pattern=FILENAME)
    other: str | None = Field(default=None, pattern="^x$")
    names: tuple[str, ...] = ()
    said: Annotated[str, StringConstraints(min_length=1)] | list[Part] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.rating == 7:
            raise ValueError("seven says nothing")
        return self


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"rows": [1]}, "is required"),
        ({"name": "A b", "rows": [1]}, "must be 1-63 lower-case letters, digits and hyphens"),
        ({"name": "a", "rows": []}, "must hold at least 1, not 0"),
        ({"name": "a", "rows": [1, 2, 3]}, "must hold at most 2"),
        ({"name": "a", "rows": "1"}, "must be a list"),
        ({"name": "a", "rows": [1], "field": 3}, "must be a JSON object"),
        ({"name": "a", "rows": [1], "unknown": 3}, "is not known here"),
        ({"name": "a", "rows": [1], "rating": 7}, "seven says nothing"),
        ({"name": "a", "rows": [1], "rating": 0}, "must be at least 1"),
        ({"name": "a", "rows": [1], "rating": "x"}, "must be a whole number"),
        ({"name": "a", "rows": [1], "rating": 1.5}, "must be a whole number"),
        ({"name": "a", "rows": [1], "rating": []}, "must be a whole number"),
        ({"name": "a", "rows": [1], "rating": "9" * 5000}, "is too large a number"),
        ({"name": "a", "rows": [1], "share": 0}, "must be above 0"),
        ({"name": "a", "rows": [1], "share": 0.5}, "must be below 0.5"),
        ({"name": "a", "rows": [1], "share": "much"}, "must be a number"),
        ({"name": "a", "rows": [1], "share": []}, "must be a number"),
        ({"name": "a", "rows": [1], "most": 10**9 + 1}, "must be at most 1,000,000,000"),
        ({"name": "a", "rows": [1], "price": "much"}, "must be a number"),
        ({"name": "a", "rows": [1], "price": []}, "must be a number"),
        ({"name": "a", "rows": [1], "price": "nan"}, "must be a number"),
        ({"name": "a", "rows": [1], "is_new": "maybe"}, "must be true or false"),
        ({"name": "a", "rows": [1], "is_new": []}, "must be true or false"),
        ({"name": "a", "rows": [1], "day": "2026-13-01"}, "must be a date, such as 2026-11-21"),
        ({"name": "a", "rows": [1], "day": []}, "must be a date, such as 2026-11-21"),
        ({"name": "a", "rows": [1], "day": "2026-11-21T10:00:00"}, "must be a date, such as 2026-11-21"),
        ({"name": "a", "rows": [1], "made": "2026-13-01"}, TIME),
        ({"name": "a", "rows": [1], "made": "2026-11-21T25:00:00Z"}, TIME),
        ({"name": "a", "rows": [1], "made": []}, TIME),
        ({"name": "a", "rows": [1], "note": 5}, "must be a text"),
        ({"name": "a", "rows": [1], "note": ""}, "must have at least 1 character"),
        ({"name": "a", "rows": [1], "note": "x" * 2001}, "may have at most 2,000 characters"),
        ({"name": "a", "rows": [1], "kind": "late!"}, "must be 'late' or 'lost'"),
        ({"name": "a", "rows": [1], "word": "perhaps"}, "must be 'yes' or 'no'"),
        ({"name": "a", "rows": [1], "example": "1"}, "must be 64 digits and letters from a to f"),
        ({"name": "a", "rows": [1], "file": "a.txt"}, "must be letters, digits, `.`, `_`, `-`, and end in .jsonl"),
        ({"name": "a", "rows": [1], "other": "y"}, "must match ^x$"),
        ({"name": "a", "rows": [1], "names": "y"}, "must be a list"),
        ("the customer's words", "must be a JSON object"),
    ],
)
def test_a_fault_says_what_would_be_right(body: Any, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(body)

    [fault] = refused.value.errors()
    assert in_words({**fault}).startswith(words)


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        (5, "said", "must be a text or must be a list"),
        ("", "said", "must have at least 1 character or must be a list"),
        ([{"text": 5}], "said.0.text", "must be a text"),
        ([{}], "said.0.text", "is required"),
        ([{"text": "a"}, 5], "said.1", "must be a JSON object"),
    ],
)
def test_a_fault_in_a_choice_of_types_is_told_by_its_place_in_the_body(said: Any, place: str, words: str) -> None:
    body = {"name": "a", "rows": [1], "said": said, "unknown": 1}
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(body)

    faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in refused.value.errors()]
    assert explain(faults, body) == (place, words)


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ({"type": "missing", "loc": ("body", "rows"), "msg": ""}, "rows"),
        ({"type": "missing", "loc": ("body",), "msg": ""}, "body"),
        ({"type": "missing", "loc": ("query", "user"), "msg": ""}, "user"),
        ({"type": "int_type", "loc": ("query", "limit", "constrained-int"), "msg": ""}, "limit"),
        ({"type": "extra_forbidden", "loc": ("body", "the purple heron"), "msg": ""}, "(unusual name)"),
        ({"type": "json_invalid", "loc": ("body", 7), "msg": "", "ctx": {"error": "Expected"}}, "body"),
    ],
)
def test_a_place_is_named_as_its_caller_knows_it(fault: dict[str, Any], place: str) -> None:
    assert explain([fault], {"the purple heron": 1})[0] == place


def test_a_fault_without_its_figures_is_told_as_it_came() -> None:
    assert in_words({"type": "too_short", "msg": "Too short", "loc": ()}) == "Too short"
