"""Requests: what a route takes from an HTTP event: texts in its path and its query, and a body of JSON.

What a route takes is read off the signature of the routine behind it. Sizes are those of the bytes that came over the
wire. Nothing is unpacked: a small body that becomes a large one is no body of ours. What would break whoever reads or
writes a body again is refused here, once for all routes, by its field.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from inspect import Parameter, isclass, signature
from itertools import chain
from typing import Any, NamedTuple, get_args
from urllib.parse import quote, unquote_to_bytes

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

from tuneloop.api import validation_errors
from tuneloop.api.validation_errors import LONGEST_PARAM
from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.json_values import read_whole, trace_flaw
from tuneloop.domain.core.limits import BODY_BYTES, BODY_PARTS, FILE_BYTES, JSON_DEPTH
from tuneloop.domain.core.numbers import DECIMAL, WHOLE
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, wide_encoding

GREEDY = "+}"  # the end of a route whose last place takes all that is left of a path
PLAIN_ENCODINGS = ("", "identity")  # what `Content-Encoding` may say
LARGE_FILE = (
    f"A file sent here may have at most {FILE_BYTES:,} bytes, since AWS hands over no larger body. Send a larger one "
    "through `POST /v1/datasets/{dataset}/uploads` or `tuneloop drop`, and name the dataset as `training_file`."
)
# What few bodies hold, so that a small one needs no walk: half characters, numbers beyond a float or 64 bits, and the
# words that Python reads as numbers. One of many parts is walked in any case: the search takes 25 ms a MB (measured on
# 2026-12-01), and a walk of chats about as long. One expression for all of it took twice the time, and
# `[0-9]{19}` takes up to five times as long on prose as with its first digit apart.
DOUBTFUL_WORDS = ("NaN", "Infinity")
LARGE_EXPONENT, LONG_NUMBER = re.compile(r"[eE]\+?\d{3}"), re.compile(r"[0-9][0-9]{18}")
HALF_ESCAPE, HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]"), re.compile(r"[\ud800-\udfff]")
Route = Callable[..., Any]


class TextKind(NamedTuple):
    """What a text in a path or a query has to look like: what is said of others, under pydantic's code for them."""

    looks: re.Pattern[str]
    words: str
    code: str


KINDS: dict[type, TextKind] = {
    int: TextKind(WHOLE, validation_errors.WHOLE, "int_parsing"),
    float: TextKind(DECIMAL, validation_errors.NUMBER, "float_parsing"),
    # A number would be taken for seconds since 1970.
    date: TextKind(re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII), validation_errors.DATE, "date_parsing"),
    datetime: TextKind(
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII), validation_errors.TIME, "datetime_parsing"
    ),
}


def family_or_name(name: str, family: str | None) -> str:
    """The family that a name of a query belongs to, `metadata[…]` for `metadata[key]`; else the name itself."""
    return f"{family}[…]" if family and name.startswith(f"{family}[") and name.endswith("]") else name


def query_of(routine: Route, path: str) -> frozenset[str]:
    """The names that a route takes in its query: its arguments but for the path's, the headers' and the body."""
    return frozenset(
        _alias_of(argument) or argument.name
        for argument in arguments(routine)
        if f"{{{argument.name}}}" not in path and not is_body(argument) and not is_header(argument)
    )


def kinds_of(routine: Route, path: str) -> dict[str, TextKind]:
    """What the texts of a route's path and query must look like that aren't just texts, by their names."""
    kinds = {}
    for argument in arguments(routine):
        types = {argument.annotation, *get_args(argument.annotation)}
        types |= {inner for outer in types for inner in get_args(outer)}
        if kind := next((KINDS[type_] for type_ in types if isclass(type_) and type_ in KINDS), None):
            in_path = f"{{{argument.name}}}" in path
            kinds[argument.name if in_path else _alias_of(argument) or argument.name] = kind
    return kinds


def check_kinds(kinds: Mapping[str, TextKind], texts: Mapping[str, str]) -> None:
    """InvalidInput for a text that isn't of its kind: what pydantic takes beyond that is nothing that anybody means."""
    for name, text in texts.items():
        if (kind := kinds.get(name)) and not kind.looks.fullmatch(text):
            raise InvalidInput(f"{name}: {kind.words}", param=name, code=kind.code)


def arguments(routine: Route) -> Iterable[Parameter]:
    """The arguments of a routine, with their types evaluated."""
    return signature(routine, eval_str=True).parameters.values()


def is_body(argument: Parameter) -> bool:
    """Whether an argument is a pydantic model, that is, read from the request's body."""
    return isclass(argument.annotation) and issubclass(argument.annotation, BaseModel)


def is_header(argument: Parameter) -> bool:
    """Whether an argument is read from the request's headers."""
    return any(isinstance(mark, Header) for mark in get_args(argument.annotation))


def _alias_of(argument: Parameter) -> str | None:
    """The name that an argument has in the query, where its annotation gives one."""
    return next((mark.alias for mark in get_args(argument.annotation) if getattr(mark, "alias", None)), None)


def texts_in(route: str, path: str) -> dict[str, str] | None:
    """What stands in a route's places in a path, decoded; None where it is no path of that route.

    An HTTP API decodes a path before it looks for a route, all but `%25`, so that decoding once more gives what was
    sent whether it has decoded the rest or not. A last place `{name+}` takes slashes too. InvalidInput for no UTF-8.
    """
    places = route.partition(" ")[2].split("/")
    parts = path.split("/", len(places) - 1 if route.endswith(GREEDY) else -1)
    if len(places) != len(parts):
        return None
    texts = {}
    for place, part in zip(places, parts, strict=True):
        if place.startswith("{") and part:
            texts[name_of(place)] = _percent_decoded(part, name_of(place))
        elif part != place:
            return None
    return texts


def path_with(route: str, texts: dict[str, str]) -> str:
    """The path of a route with texts in its places, percent-encoded, so that every library takes it for one."""
    places = route.partition(" ")[2].split("/")
    return "/".join(quote(texts[name_of(place)], safe="") if place.startswith("{") else place for place in places)


def name_of(place: str) -> str:
    """The name in a route's place: `subject` in `{subject}` and in `{subject+}`."""
    return place.strip("{+}")


def _percent_decoded(part: str, name: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeError as error:
        message = f"{name}: is not UTF-8, percent-encoded, as a text in a path has to be."
        raise InvalidInput(message, param=name, code="invalid_unicode") from error


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
    if event.get("headers", {}).get("content-encoding", "").strip().lower() not in PLAIN_ENCODINGS:
        message = "Send the body as it is: a `Content-Encoding` such as gzip is not unpacked."
        raise InvalidInput(message, param="content-encoding", code="unsupported_encoding")
    body: str = event.get("body") or ""
    if len(body) > most_bytes * (4 / 3 if event.get("isBase64Encoded") else 1) + 4:
        raise _too_large(most_bytes)
    content = _base64_decoded(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
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
    if parts > JSON_DEPTH or _is_doubtful(body):
        _check_values(value)
    return value


def _is_doubtful(body: str) -> bool:
    """Whether a body may hold a value that breaks its next reader or writer."""
    return (
        any(word in body for word in DOUBTFUL_WORDS)
        or ("\\u" in body and HALF_ESCAPE.search(body) is not None)
        or (not body.isascii() and HALF_CHARACTER.search(body) is not None)
        or LARGE_EXPONENT.search(body) is not None
        or LONG_NUMBER.search(body) is not None
    )


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        return json.loads(body, parse_int=read_whole)


def _base64_decoded(body: str) -> bytes:
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
    if located := trace_flaw(value):
        steps, flaw = located
        where = ".".join(map(safe_name, steps))[:LONGEST_PARAM] or "body"
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
