"""Routines: what the one behind a route takes, read off its signature: names in the path, in the query, and a body."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from inspect import Parameter, isclass, signature
from typing import Any, NamedTuple, get_args
from urllib.parse import quote, unquote_to_bytes

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

from tuneloop.api import validation_errors
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.numbers import PLAIN, WHOLE

GREEDY = "+}"  # the end of a route whose last place takes all that is left of a path
Route = Callable[..., Any]


class TextKind(NamedTuple):
    """What a text in a path or a query has to look like: what is said of others, under pydantic's code for them."""

    looks: re.Pattern[str]
    words: str
    code: str


KINDS: dict[type, TextKind] = {
    int: TextKind(WHOLE, validation_errors.WHOLE, "int_parsing"),
    float: TextKind(PLAIN, validation_errors.NUMBER, "float_parsing"),
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
        next((found.alias for found in get_args(argument.annotation) if getattr(found, "alias", None)), argument.name)
        for argument in arguments(routine)
        if f"{{{argument.name}}}" not in path and not is_body(argument) and not is_header(argument)
    )


def kinds_of(routine: Route, path: str) -> dict[str, TextKind]:
    """What the texts of a route's path and query must look like that aren't just texts, by their names."""
    found = {}
    for argument in arguments(routine):
        alias = next((each.alias for each in get_args(argument.annotation) if getattr(each, "alias", None)), None)
        types = {argument.annotation, *get_args(argument.annotation)}
        types |= {inner for each in types for inner in get_args(each)}
        if kind := next((KINDS[each] for each in types if isclass(each) and each in KINDS), None):
            found[argument.name if f"{{{argument.name}}}" in path else alias or argument.name] = kind
    return found


def check_kinds(kinds: Mapping[str, TextKind], texts: Mapping[str, str]) -> None:
    """InvalidInput for a text that isn't of its kind: what pydantic takes beyond that is nothing that anybody means."""
    for name, text in texts.items():
        if (kind := kinds.get(name)) and not kind.looks.fullmatch(text):
            raise InvalidInput(f"{name}: {kind.words}", param=name, code=kind.code)


def arguments(routine: Route) -> Iterable[Parameter]:
    """What it takes, each with its type."""
    return signature(routine, eval_str=True).parameters.values()


def is_body(argument: Parameter) -> bool:
    """Whether that is read from the request's body."""
    return isclass(argument.annotation) and issubclass(argument.annotation, BaseModel)


def is_header(argument: Parameter) -> bool:
    """Whether that is read from the request's headers."""
    return any(isinstance(found, Header) for found in get_args(argument.annotation))


def texts_in(route: str, path: str) -> dict[str, str] | None:
    """What stands in a route's places in a path, decoded; None where it is no path of that route.

    An HTTP API decodes a path before it looks for a route, all but `%25`, so that decoding once more gives what was
    sent whether it has decoded the rest or not. A last place `{name+}` takes slashes too. InvalidInput for no UTF-8.
    """
    wanted = route.partition(" ")[2].split("/")
    given = path.split("/", len(wanted) - 1 if route.endswith(GREEDY) else -1)
    if len(wanted) != len(given):
        return None
    texts = {}
    for place, part in zip(wanted, given, strict=True):
        if place.startswith("{") and part:
            texts[name_of(place)] = _decoded(part, name_of(place))
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


def _decoded(part: str, name: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeError as error:
        message = f"{name}: is not UTF-8, percent-encoded, as a text in a path has to be."
        raise InvalidInput(message, param=name, code="invalid_unicode") from error
