"""JSON values that can't be stored (half a surrogate pair, a number beyond 64 bits), and where in a value they are.

Request bodies, lines of files and feedback are all checked here, so that the same value is refused with the same code
everywhere. JSON inside a text is text, and isn't checked.
"""

import json
import math
from typing import Any, NamedTuple

from tuneloop.domain.core.redaction import safe_name

Steps = tuple[str | int, ...]  # keys of objects and indexes of lists, from the outermost on
# The whole numbers that orjson and msgspec hold, far below DynamoDB's 38 digits; RFC 8259, section 6, promises even
# less. Of a number beyond them one JSON reader makes a float, and the next one fails.
LEAST_WHOLE, MOST_WHOLE = -(1 << 63), (1 << 64) - 1
MOST_DIGITS = len(str(MOST_WHOLE)) + 1  # with a sign; Python's `int` raises ValueError above 4,300 digits
LARGE_NUMBER = "must be a number of JSON: a whole one of up to 64 bits, or one of up to 1.8e308."
HALF_CHARACTER = "must be Unicode text: half of a surrogate pair (such as \\ud800) is not a character."
# Unicode's replacement character, which is put in the place of half a surrogate pair.
REPLACEMENT = "\ufffd"


class Flaw(NamedTuple):
    """Why a value can't be stored: a stable code, and what would be right."""

    code: str
    rule: str


class _Part(NamedTuple):
    """A list or an object in a JSON value, and the step to it from its parent; None and None for the outermost."""

    parent: "_Part | None"
    step: str | int | None
    value: Any


INVALID_UNICODE = Flaw("invalid_unicode", HALF_CHARACTER)
INVALID_NUMBER = Flaw("invalid_number", LARGE_NUMBER)


def flaw_of(value: Any) -> Flaw | None:
    """The flaw of a text or a number, None where there is none; lists and objects are not searched."""
    if isinstance(value, str):
        return None if value.isascii() or _is_encodable(value) else INVALID_UNICODE
    if isinstance(value, float):
        return None if math.isfinite(value) else INVALID_NUMBER
    return None if not isinstance(value, int) or LEAST_WHOLE <= value <= MOST_WHOLE else INVALID_NUMBER


def find_flaw(value: Any, path: str = "$") -> tuple[str, Flaw] | None:
    """The path of a flawed value inside a JSON value, and its flaw; None where there is none.

    `path` is the path of the JSON value itself, with which the returned path begins.
    """
    if (traced := trace_flaw(value)) is None:
        return None
    steps, flaw = traced
    return path + "".join(f"[{step}]" if isinstance(step, int) else f".{safe_name(step)}" for step in steps), flaw


def trace_flaw(value: Any) -> tuple[Steps, Flaw] | None:
    """The steps from a JSON value to the least deep flawed value in it, and its flaw; None where there is none.

    A flawed key is located by the steps to its object. The search isn't recursive, as a value may be nested deeper than
    Python's stack.
    """
    if flaw := flaw_of(value):
        return (), flaw
    level = [_Part(None, None, value)] if isinstance(value, dict | list) else []
    while level:
        inner: list[_Part] = []
        for part in level:
            whole = part.value
            if isinstance(whole, dict) and any(map(flaw_of, whole)):
                return _steps_to(part), INVALID_UNICODE
            for step, child in whole.items() if isinstance(whole, dict) else enumerate(whole):
                if isinstance(child, dict | list):
                    inner.append(_Part(part, step, child))
                elif flaw := flaw_of(child):
                    return (*_steps_to(part), step), flaw
        level = inner
    return None


def _steps_to(part: _Part) -> Steps:
    steps: list[str | int] = []
    while part.parent and part.step is not None:
        steps.append(part.step)
        part = part.parent
    return tuple(reversed(steps))


def read_whole(digits: str) -> int:
    """The whole number that digits write; MOST_WHOLE + 1, which is refused, for one too long for Python to parse."""
    return int(digits) if len(digits) <= MOST_DIGITS else MOST_WHOLE + 1


def read_leniently(content: bytes) -> Any:
    """Parse a server's answer as JSON, with U+FFFD for half a character, and no number far beyond 64 bits.

    Servers cut texts within a character and pass numbers on as they came; the rest of such an answer is still good.
    ValueError where the answer isn't JSON, or is nested too deeply to be parsed.
    """
    try:
        return replace_halves(json.loads(content.decode(errors="replace"), parse_int=read_whole))
    except RecursionError as error:
        raise ValueError("a JSON value that is nested too deeply") from error


def replace_halves(value: Any) -> Any:
    """A JSON value with U+FFFD in place of each lone surrogate, and with surrogate pairs joined to one character."""
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
