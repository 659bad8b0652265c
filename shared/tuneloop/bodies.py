"""Bodies: from what the gateway hands over to JSON that is safe to look at, to store and to pass on.

Sizes are those of the bytes that came over the wire. Nothing is unpacked: a small body that becomes a large one is no
body of ours. What would break whoever reads or writes it again is refused here, once for all routes, by its field.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

from tuneloop.domain.diagnosis import BYTE_ORDER_MARK, wide_encoding
from tuneloop.domain.errors import InvalidInput, TooLarge
from tuneloop.domain.json_values import flaw_of, read_whole
from tuneloop.domain.limits import BODY_BYTES, BODY_PARTS, FILE_BYTES, JSON_DEPTH
from tuneloop.domain.words import name_in

PLAIN = ("", "identity")
LONGEST_PLACE = 200
LARGE_FILE = (
    f"A file sent here may have at most {FILE_BYTES:,} bytes, since AWS hands over no larger body. Send a larger one "
    "through `POST /v1/datasets/{dataset}/uploads` or `tuneloop drop`, and name the dataset as `training_file`."
)
# What only some bodies hold, so that the others need no walk: half characters, numbers beyond a float or 64 bits, and
# the words that Python reads as numbers.
DOUBTFUL = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]|[eE]\+?\d{3}|\d{19}|NaN|Infinity")


class _Part(NamedTuple):
    """A list or an object of a body, and where it stands: a place in words is made for a fault alone."""

    whole: "_Part | None"
    step: str | int | None
    value: Any


def read_body(event: dict[str, Any]) -> str | None:
    """The text of an HTTP API event's body; refused where it is too large, packed, or not UTF-8."""
    content = content_of(event, BODY_BYTES).removeprefix(BYTE_ORDER_MARK)
    if encoding := wide_encoding(content):
        raise InvalidInput(f"The body is in {encoding}. Send it as UTF-8.", param="body", code="invalid_unicode")
    try:
        return content.decode("utf-8", "strict" if event.get("isBase64Encoded") else "surrogatepass") or None
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 (byte {error.start + 1}). Send it as UTF-8."
        raise InvalidInput(message, param="body", code="invalid_unicode") from error


def content_of(event: dict[str, Any], most_bytes: int) -> bytes:
    """The bytes of an HTTP API event's body; refused where they are too many, or packed."""
    if event.get("headers", {}).get("content-encoding", "").strip().lower() not in PLAIN:
        message = "Send the body as it is: a `Content-Encoding` such as gzip is not unpacked."
        raise InvalidInput(message, param="content-encoding", code="unsupported_encoding")
    body: str = event.get("body") or ""
    if len(body) > most_bytes * (4 / 3 if event.get("isBase64Encoded") else 1) + 4:
        raise _too_large(most_bytes)
    content = _decoded(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    if len(content) > most_bytes:
        raise _too_large(most_bytes)
    return content


def parse_json(body: str) -> Any:
    """A body's JSON; JSONDecodeError where it is none, InvalidInput where it is JSON that nobody could use."""
    parts = body.count("[") + body.count("{")
    if parts > BODY_PARTS:
        raise _too_many()
    try:
        value = _parsed(body)
    except RecursionError as error:
        raise _too_deep() from error
    if parts > JSON_DEPTH or DOUBTFUL.search(body):
        _check(value)
    return value


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        return json.loads(body, parse_int=read_whole)


def _decoded(body: str) -> bytes:
    try:
        return b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The body could not be decoded.", param="body", code="invalid_encoding") from error


def _check(value: Any) -> None:
    root = _Part(None, None, value)
    if not isinstance(value, dict | list):
        return _check_leaf(root, value)
    level = [root]
    for _ in range(JSON_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return None
    raise _too_deep()


def _parts(whole: _Part) -> Iterator[_Part]:
    """The lists and objects in one; its names and all else in it are checked."""
    held = whole.value
    if isinstance(held, dict):
        for name in held:
            _check_leaf(whole, name)
    for step, value in held.items() if isinstance(held, dict) else enumerate(held):
        if isinstance(value, dict | list):
            yield _Part(whole, step, value)
        elif isinstance(value, float | int | str):
            _check_leaf(whole, value, step)


def _check_leaf(whole: _Part, value: Any, step: str | int | None = None) -> None:
    if flaw := flaw_of(value):
        where = _place(whole, step)
        raise InvalidInput(f"{where}: {flaw.rule}", param=where, code=flaw.code)


def _place(whole: _Part | None, step: str | int | None) -> str:
    steps = [step]
    while whole:
        steps.append(whole.step)
        whole = whole.whole
    named = [name_in(step) for step in reversed(steps) if step is not None]
    return ".".join(named)[:LONGEST_PLACE] or "body"


def _too_large(most_bytes: int) -> TooLarge:
    if most_bytes > BODY_BYTES:
        return TooLarge(LARGE_FILE, param="file")
    return TooLarge(f"A body may have at most {BODY_BYTES >> 20} MiB. Upload larger data as a file.", param="body")


def _too_many() -> TooLarge:
    message = f"A body may hold `{{` and `[` {BODY_PARTS:,} times at most. Upload larger data as a file."
    return TooLarge(message, code="too_many_parts", param="body")


def _too_deep() -> InvalidInput:
    message = f"The request's body is nested too deeply: lists and objects may stand {JSON_DEPTH} deep in each other."
    return InvalidInput(message, code="nested_too_deeply", param="body")
