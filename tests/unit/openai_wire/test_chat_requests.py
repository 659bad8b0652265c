"""Chat requests: every field that we know is taken in its own type alone, and passed on as it came."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tuneloop.openai_wire.chat import ChatRequest, StreamOptions

PLAIN: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TRUTHS, TEXTS = (True, False), ("5", "true", "", "x" * 40)
WHOLE, BROKEN = (1,), (0.5, 1.5)
LISTS: tuple[Any, ...] = ([], ["a"])
OBJECTS: tuple[Any, ...] = ({}, {"a": "b"})
VALUES = (*TRUTHS, *TEXTS, *WHOLE, *BROKEN, 1.0, 5, -1, 10**30, *LISTS, [5], [True], list("abcde"), *OBJECTS, {"a": 1})
# What each field takes of these values; null is taken by all but the first two.
TAKES: dict[str, tuple[Any, ...]] = {
    "model": ("5", "true", "x" * 40),
    "messages": (),
    "user": TEXTS,
    "safety_identifier": TEXTS,
    "stream": TRUTHS,
    "stream_options": (*OBJECTS, {"a": 1}),
    "temperature": (*WHOLE, *BROKEN, 1.0),
    "top_p": (*WHOLE, 0.5, 1.0),
    "presence_penalty": (*WHOLE, *BROKEN, 1.0, -1),
    "frequency_penalty": (*WHOLE, *BROKEN, 1.0, -1),
    "max_tokens": (1, 5, 10**30),
    "max_completion_tokens": (1, 5, 10**30),
    "stop": (*TEXTS, *LISTS),
    "seed": (1, 5, -1),
    "logprobs": TRUTHS,
    "top_logprobs": (1, 5),
    "parallel_tool_calls": TRUTHS,
    "n": (1,),
    "response_format": (*OBJECTS, {"a": 1}),
    "metadata": OBJECTS,
}


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal in their types too."""
    return json.dumps(one) == json.dumps(other)


def is_taken(field: str, value: Any) -> bool:
    said = PLAIN | {field: value}
    by_value, by_json = (
        reads(lambda: ChatRequest.model_validate(said)),
        reads(lambda: ChatRequest.model_validate_json(json.dumps(said))),  # as the trainer reads it
    )
    assert (by_value is None) is (by_json is None), (field, value)
    assert by_value is None or by_value.provider_fields()[field] == value
    return by_value is not None


def reads(read: Callable[[], ChatRequest]) -> ChatRequest | None:
    try:
        return read()
    except ValidationError:
        return None


def test_every_field_is_walked() -> None:
    assert TAKES.keys() == ChatRequest.model_fields.keys()


@pytest.mark.parametrize("field", TAKES)
def test_a_field_is_taken_in_its_own_type_alone(field: str) -> None:
    wrong = [
        value for value in VALUES if is_taken(field, value) is not any(same(value, taken) for taken in TAKES[field])
    ]

    assert wrong == []
    assert is_taken(field, None) is (field not in ("model", "messages"))


@pytest.mark.parametrize("value", [1, 0, "true", "", [], {}])
def test_whether_usage_is_included_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValidationError):
        StreamOptions.model_validate({"include_usage": value})


@pytest.mark.parametrize("value", VALUES)
def test_a_field_that_is_not_known_is_passed_on_whatever_it_holds(value: Any) -> None:
    assert same(ChatRequest.model_validate(PLAIN | {"top_k": value}).provider_fields()["top_k"], value)
