"""JSON texts: JSON that came, or is kept, as text: a row keeps no order of names, and only 32 levels of them."""

import json
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tuneloop.domain.chat.examples import JsonObject, is_deeper
from tuneloop.domain.chat.messages import storable
from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS


def parse_json_text(text: str) -> Any:
    """What a JSON text holds; ValueError where it is none that anybody could use."""
    if text.count("[") + text.count("{") > LINE_PARTS:
        raise ValueError(f"it may hold `{{` and `[` {LINE_PARTS:,} times at most")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    return _bounded(value)


def _bounded(value: Any) -> Any:
    if isinstance(value, dict | list) and is_deeper(value, JSON_DEPTH):
        raise ValueError(f"lists and objects may stand {JSON_DEPTH} deep in each other")
    return value


def _number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _no_number(_: str) -> None:
    raise ValueError("no number of JSON")


def _read(given: Any) -> Any:
    return parse_json_text(given) if isinstance(given, str) else _bounded(given)


def _written(value: JsonObject | None) -> str | None:
    return None if value is None else storable(json.dumps(value, ensure_ascii=False))


# An object that is stored as text, and an object to everybody else.
KeptAsText = Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(_written, when_used="json")]
