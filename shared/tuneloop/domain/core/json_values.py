"""JSON values that can't be kept: half characters and numbers that no reader of JSON agrees on, found by their path.

Every door asks here, so a body, a line of a file and feedback are refused for the same value by the same code. JSON
that stands inside a text is text: what it holds is its writer's own business, and is never looked at here.
"""

import json
import math
from typing import Any, NamedTuple

from tuneloop.domain.core.redaction import safe_name

Steps = tuple[str | int, ...]  # names of objects and places in lists, from the outermost on
# What a reader of JSON may count on as a whole number (RFC 8259, 6, says even less): what orjson and msgspec hold, and
# far below the 38 digits of DynamoDB. Beyond it one reader makes a float of it, the next one fails.
LEAST_WHOLE, MOST_WHOLE = -(1 << 63), (1 << 64) - 1
DIGITS = len(str(MOST_WHOLE)) + 1  # with a sign; Python itself reads no more than 4,300
LARGE_NUMBER = "must be a number of JSON: a whole one of up to 64 bits, or one of up to 1.8e308."
HALF_CHARACTER = "must be Unicode text: half of a surrogate pair (such as \\ud800) is not a character."

# What stands in the place of half a character that a provider sent: Unicode's own sign for what could not be read.
HALF_REPLACED = "\ufffd"


class Flaw(NamedTuple):
    """Why a value can't be kept: a stable code, and what would be right."""

    code: str
    rule: str


class _Part(NamedTuple):
    """A list or an object in a JSON value, and where it stands: steps are put together for a flaw alone."""

    whole: "_Part | None"
    step: str | int | None
    value: Any


UNICODE = Flaw("invalid_unicode", HALF_CHARACTER)
NUMBER = Flaw("invalid_number", LARGE_NUMBER)


def flaw_of(value: Any) -> Flaw | None:
    """What is wrong with a text or a number; lists and objects are not looked into."""
    if isinstance(value, str):
        return None if value.isascii() or _is_encodable(value) else UNICODE
    if isinstance(value, float):
        return None if math.isfinite(value) else NUMBER
    return None if not isinstance(value, int) or LEAST_WHOLE <= value <= MOST_WHOLE else NUMBER


def find_flaw(value: Any, path: str = "$") -> tuple[str, Flaw] | None:
    """The path of a flawed value somewhere in a JSON value, and its flaw; `path` is that of the value itself."""
    if (found := trace_flaw(value)) is None:
        return None
    steps, flaw = found
    return path + "".join(f"[{step}]" if isinstance(step, int) else f".{safe_name(step)}" for step in steps), flaw


def trace_flaw(value: Any) -> tuple[Steps, Flaw] | None:
    """The steps from a JSON value to the flawed value in it that is the least deep, and its flaw.

    A flawed name is told by the steps to its object. Not recursive, since a value may be deep.
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
            for step, each in held.items() if isinstance(held, dict) else enumerate(held):
                if isinstance(each, dict | list):
                    inner.append(_Part(part, step, each))
                elif flaw := flaw_of(each):
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
    """The JSON value that a server's answer is, with U+FFFD for halves of characters, and no number beyond all limits.

    Servers cut texts within a character and pass numbers on as they came; the rest of what they say is as good as ever.
    ValueError where it is no JSON at all, or is nested too deeply to be read.
    """
    try:
        return replace_halves(json.loads(content.decode(errors="replace"), parse_int=read_whole))
    except RecursionError as error:
        raise ValueError("a JSON value that is nested too deeply") from error


def replace_halves(value: Any) -> Any:
    """A JSON value of somebody else's, with U+FFFD in the place of each half character; its pairs are joined."""
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
