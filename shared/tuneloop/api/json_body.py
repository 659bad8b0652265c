"""Bodies: from what the gateway hands over to JSON that is safe to look at, to store and to pass on.

Sizes are those of the bytes that came over the wire. Nothing is unpacked: a small body that becomes a large one is no
body of ours. What would break whoever reads or writes it again is refused here, once for all routes, by its field.
"""

import binascii
import json
import re
from base64 import b64decode
from itertools import chain
from typing import Any

from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.json_values import read_whole, trace_flaw
from tuneloop.domain.core.limits import BODY_BYTES, BODY_PARTS, FILE_BYTES, JSON_DEPTH
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, wide_encoding

PLAIN = ("", "identity")
# Characters of the path to a fault in a body, which is made of the caller's own names: bounds the answer.
LONGEST_PLACE = 200
LARGE_FILE = (
    f"A file sent here may have at most {FILE_BYTES:,} bytes, since AWS hands over no larger body. Send a larger one "
    "through `POST /v1/datasets/{dataset}/uploads` or `tuneloop drop`, and name the dataset as `training_file`."
)
# What few bodies hold, so that a small one needs no walk: half characters, numbers beyond a float or 64 bits, and the
# words that Python reads as numbers. One of many parts is walked in any case: the search takes 35 ms a MB (measured on
# 2026-12-01), and a walk of chats about as long.
DOUBTFUL = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]|[eE]\+?\d{3}|\d{19}|NaN|Infinity")


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
    if parts > JSON_DEPTH:
        _check_depth(value)
    if parts > JSON_DEPTH or DOUBTFUL.search(body):
        _check_values(value)
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


def _check_depth(value: Any) -> None:
    level: list[Any] = [[value]]
    for _ in range(JSON_DEPTH + 1):
        held = chain.from_iterable(part.values() if isinstance(part, dict) else part for part in level)
        level = [part for part in held if isinstance(part, dict | list)]
        if not level:
            return
    raise _too_deep()


def _check_values(value: Any) -> None:
    if found := trace_flaw(value):
        steps, flaw = found
        where = ".".join(map(safe_name, steps))[:LONGEST_PLACE] or "body"
        raise InvalidInput(f"{where}: {flaw.rule}", param=where, code=flaw.code)


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
