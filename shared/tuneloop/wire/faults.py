"""Faults: what pydantic found wrong with a request, in words that say what would be right."""

from collections.abc import Callable
from typing import Any

from tuneloop.domain.ids import PATTERN

NAME = "must be 1-63 lower-case letters, digits and hyphens, starting with a letter or digit"
OBJECT = "must be a JSON object"
Context = dict[str, Any]
# By pydantic's types of errors (2.x); all others are plain already.
WORDS: dict[str, Callable[[Context], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not known here",
    "dict_type": lambda _: OBJECT,
    "model_type": lambda _: OBJECT,
    "model_attributes_type": lambda _: OBJECT,
    "list_type": lambda _: "must be a list",
    "too_short": lambda told: f"must hold at least {told['min_length']}, not {told['actual_length']}",
    "too_long": lambda told: f"must hold at most {told['max_length']}",
    "value_error": lambda told: str(told["error"]),
}


def in_words(fault: dict[str, Any]) -> str:
    """What is wrong with a field, and what would be right; never the value itself."""
    kind, told = fault["type"], fault.get("ctx") or {}
    if kind == "json_invalid":
        return f"not valid JSON: {str(told.get('error')).lower()} at character {int(fault['loc'][-1]) + 1}"
    if kind == "string_pattern_mismatch" and told.get("pattern") == PATTERN:
        return NAME
    if kind in WORDS and told.keys() >= NEEDED.get(kind, set()):
        return WORDS[kind](told)
    return str(fault["msg"]).removeprefix("Value error, ")


NEEDED = {"too_short": {"min_length", "actual_length"}, "too_long": {"max_length"}, "value_error": {"error"}}
