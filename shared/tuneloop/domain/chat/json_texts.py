"""JSON texts: JSON that comes or is stored as text, as a row keeps no order of names and no more than 32 levels."""

import json
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tuneloop.domain.chat.messages import JsonObject, storable
from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS


def parse_json_text(text: str) -> Any:
    """Parse a JSON text; ValueError where it isn't JSON, or has too many parts, too many levels or a number too large.

    `datasets.file_warnings` has a parser of its own that never raises: it only looks for answers that are alike.
    """
    if text.count("[") + text.count("{") > LINE_PARTS:
        raise ValueError(f"it may hold `{{` and `[` {LINE_PARTS:,} times at most")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    return _bounded(value)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested beyond this many levels; recursion ends one level below that."""
    parts = value.values() if isinstance(value, dict) else value
    inner = [part for part in parts if isinstance(part, dict | list)]
    return bool(inner) and (levels <= 1 or any(is_deeper(part, levels - 1) for part in inner))


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


# An object, which a row stores as text so that its names keep their order.
KeptAsText = Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(_written, when_used="json")]
