"""What pydantic finds wrong, in words that say what would be right."""

from typing import Any, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuneloop.domain.ids import Name
from tuneloop.wire.faults import in_words


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    rows: list[int] = Field(min_length=1, max_length=2)
    field: dict[str, Any] = {}
    rating: int = Field(default=1, ge=1)

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
        ({"name": "a", "rows": [1], "rating": 0}, "Input should be greater than or equal to 1"),
        ("the customer's words", "must be a JSON object"),
    ],
)
def test_a_fault_says_what_would_be_right(body: Any, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(body)

    [fault] = refused.value.errors()
    assert in_words({**fault}).startswith(words)


def test_a_fault_without_its_figures_is_told_as_it_came() -> None:
    assert in_words({"type": "too_short", "msg": "Too short", "loc": ()}) == "Too short"
