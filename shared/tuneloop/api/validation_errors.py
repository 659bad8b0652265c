"""Validation errors: pydantic's errors of a request, in words that say what would be right."""

from collections.abc import Callable, Sequence
from typing import Any

from tuneloop.domain.core.ids import EXAMPLE_PATTERN, PATTERN
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.drops import FILENAME
from tuneloop.domain.serving.routing import MODEL_PATTERN

# Characters of the path to a fault in a request, which is made of the caller's own names: bounds the answer.
LONGEST_PARAM = 200
NAME = "must be 1-63 lower-case letters, digits and hyphens, starting with a letter or digit"
OBJECT = "must be a JSON object"
WHOLE = "must be a whole number"
NUMBER = "must be a number"
YES_OR_NO = "must be true or false"
DATE = "must be a date, such as 2026-11-21"
TIME = "must be a time in ISO 8601, such as 2026-11-21 or 2026-11-21T10:00:00Z"
# What a text must look like, by its pattern.
LOOKS: dict[str, str] = {
    PATTERN: NAME,
    MODEL_PATTERN: f"{NAME}; and perhaps `:` and the number of a version",
    EXAMPLE_PATTERN: "must be 64 digits and letters from a to f, as examples are listed by",
    FILENAME: "must be letters, digits, `.`, `_`, `-`, and end in .jsonl or .csv, or with .gz or .zst after these",
}
Context = dict[str, Any]
Fault = dict[str, Any]
# By pydantic's types of errors (2.x); all others are plain already.
WORDS: dict[str, Callable[[Context], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not known here",
    "dict_type": lambda _: OBJECT,
    "model_type": lambda _: OBJECT,
    "model_attributes_type": lambda _: OBJECT,
    "list_type": lambda _: "must be a list",
    "tuple_type": lambda _: "must be a list",
    "string_type": lambda _: "must be a text",
    "string_too_short": lambda context: f"must have at least {_characters(context['min_length'])}",
    "string_too_long": lambda context: f"may have at most {_characters(context['max_length'])}",
    "string_pattern_mismatch": lambda context: LOOKS.get(context["pattern"], f"must match {context['pattern']}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: WHOLE),
    "int_parsing_size": lambda _: "is too large a number",
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), lambda _: NUMBER),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), lambda _: NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: YES_OR_NO),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), lambda _: DATE),
    "date_from_datetime_inexact": lambda _: DATE,
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing"), lambda _: TIME),
    "greater_than": lambda context: f"must be above {_figure(context['gt'])}",
    "greater_than_equal": lambda context: f"must be at least {_figure(context['ge'])}",
    "less_than": lambda context: f"must be below {_figure(context['lt'])}",
    "less_than_equal": lambda context: f"must be at most {_figure(context['le'])}",
    **dict.fromkeys(("enum", "literal_error"), lambda context: f"must be {context['expected']}"),
    "too_short": lambda context: f"must hold at least {context['min_length']}, not {context['actual_length']}",
    "too_long": lambda context: f"must hold at most {context['max_length']}",
    "value_error": lambda context: str(context["error"]),
}


def explain(faults: Sequence[Fault], body: Any) -> tuple[str, str]:
    """The place of the first fault and what would be right there; of a choice of types the one that came furthest."""
    first = _place(faults[0], body)
    under = [(place, fault) for fault in faults if (place := _place(fault, body))[: len(first)] == first]
    furthest = max((place for place, _ in under), key=len)
    words = dict.fromkeys(in_words(fault) for place, fault in under if place == furthest)
    return ".".join(map(safe_name, furthest))[:LONGEST_PARAM] or "body", " or ".join(words)


def _place(fault: Fault, body: Any) -> list[str | int]:
    """The steps that lead to a fault; those in a body are its own: pydantic also names the types that it tried."""
    where, *steps = fault["loc"]
    if where != "body" or fault["type"] == "json_invalid":
        return steps[:1] if where != "body" else []
    path: list[str | int] = []
    for number, step in enumerate(steps, start=1):
        if (isinstance(body, dict) and step in body) or (isinstance(body, list) and step in range(len(body))):
            path.append(step)
            body = body[step]
        elif fault["type"] == "missing" and number == len(steps):
            path.append(step)
    return path


def in_words(fault: Fault) -> str:
    """What is wrong with a field, and what would be right; never the value itself."""
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "json_invalid":
        return f"not valid JSON: {str(context.get('error')).lower()} at character {int(fault['loc'][-1]) + 1}"
    if kind in WORDS and context.keys() >= NEEDED.get(kind, set()):
        return WORDS[kind](context)
    return str(fault["msg"]).removeprefix("Value error, ")


def _figure(number: Any) -> str:
    return f"{int(number) if number == int(number) else number:,}"


def _characters(number: int) -> str:
    return "1 character" if number == 1 else f"{number:,} characters"


NEEDED = {
    "too_short": {"min_length", "actual_length"},
    "too_long": {"max_length"},
    "value_error": {"error"},
    "string_too_short": {"min_length"},
    "string_too_long": {"max_length"},
    "string_pattern_mismatch": {"pattern"},
    "greater_than": {"gt"},
    "greater_than_equal": {"ge"},
    "less_than": {"lt"},
    "less_than_equal": {"le"},
    "enum": {"expected"},
    "literal_error": {"expected"},
}
