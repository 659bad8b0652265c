"""JSON values that can't be kept (half a surrogate pair, a number beyond 64 bits), found by their path.

Request bodies, lines of files and feedback are all checked here, so that they are refused for the same value with the
same code. JSON inside a text is text, and isn't checked.
"""

import json
import math
from typing import Any, NamedTuple

from tuneloop.domain.core.redaction import safe_name

Steps = tuple[str | int, ...]  # names of objects and places in lists, from the outermost on
# What a reader of JSON may count on as a whole number (RFC 8259, 6, says even less): what orjson and msgspec hold, and
# far below the 38 digits of DynamoDB. Beyond it one reader makes a float of it, the next one fails.
LEAST_WHOLE, MOST_WHOLE = -(1 << 63), (1 << 64) - 1
DIGITS = len(str(MOST_WHOLE)) + 1  # with a sign; Python raises ValueError above 4,300
LARGE_NUMBER = "must be a number of JSON: a whole one of up to 64 bits, or one of up to 1.8e308."
HALF_CHARACTER = "must be Unicode text: half of a surrogate pair (such as \\ud800) is not a character."

# Unicode's replacement character, put in the place of half a surrogate pair that a provider sent.
HALF_REPLACED = "\ufffd"


class Flaw(NamedTuple):
    """Why a value can't be kept: a stable code, and what would be right."""

    code: str
    rule: str


class _Part(NamedTuple):
    """A list or an object in a JSON value, and the step to it; its path is put together only where there is a flaw."""

    whole: "_Part | None"
    step: str | int | None
    value: Any


UNICODE = Flaw("invalid_unicode", HALF_CHARACTER)
NUMBER = Flaw("invalid_number", LARGE_NUMBER)


def flaw_of(value: Any) -> Flaw | None:
    """The flaw of a text or a number, None if it has none; lists and objects are not looked into."""
    if isinstance(value, str):
        return None if value.isascii() or _is_encodable(value) else UNICODE
    if isinstance(value, float):
        return None if math.isfinite(value) else NUMBER
    return None if not isinstance(value, int) or LEAST_WHOLE <= value <= MOST_WHOLE else NUMBER


def find_flaw(value: Any, path: str = "$") -> tuple[str, Flaw] | None:
    """The path of a flawed value somewhere in a JSON value, and its flaw; `path` is that of the value itself."""
    if (traced := trace_flaw(value)) is None:
        return None
    steps, flaw = traced
    return path + "".join(f"[{step}]" if isinstance(step, int) else f".{safe_name(step)}" for step in steps), flaw


def trace_flaw(value: Any) -> tuple[Steps, Flaw] | None:
    """The steps from a JSON value to the least deep flawed value in it, and its flaw; None if there is none.

    A flawed name is located by the steps to its object. Not recursive, as a value may be deeper than Python's stack.
    """
    if flaw := flaw_of(value):
        return (), flaw
    level = [_Part(None, None, value)] if isinstance(value, dict | list) else []
    while level:
        inner: list[_Part] = []
        for part in level:
            held = part.value
            if isinstance(held, dict) and any(map(flaw_of, held)):
                return _steps_to(part), UNICODE
            for step, child in held.items() if isinstance(held, dict) else enumerate(held):
                if isinstance(child, dict | list):
                    inner.append(_Part(part, step, child))
                elif flaw := flaw_of(child):
                    return (*_steps_to(part), step), flaw
        level = inner
    return None


def _steps_to(part: _Part) -> Steps:
    steps: list[str | int] = []
    while part.whole and part.step is not None:
        steps.append(part.step)
        part = part.whole
    return tuple(reversed(steps))


def read_whole(digits: str) -> int:
    """A whole number by its digits; one that is beyond all limits stands for itself as the first such."""
    return int(digits) if len(digits) <= DIGITS else MOST_WHOLE + 1


def read_leniently(content: bytes) -> Any:
    """Parse a server's answer as JSON, with U+FFFD for half a character, and no number far beyond 64 bits.

    Servers cut texts within a character and pass numbers on as they came; the rest of the answer is still good.
    ValueError where it is no JSON, or is nested too deeply to be read.
    """
    try:
        return replace_halves(json.loads(content.decode(errors="replace"), parse_int=read_whole))
    except RecursionError as error:
        raise ValueError("a JSON value that is nested too deeply") from error


def replace_halves(value: Any) -> Any:
    """A JSON value with U+FFFD in the place of each lone surrogate; two that make a pair are joined to a character."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() or _is_encodable(text):
        return value
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
