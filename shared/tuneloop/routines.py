"""Routines: what the one behind a route takes, read off its signature: names in the path, in the query, and a body."""

from collections.abc import Callable, Iterable
from inspect import Parameter, isclass, signature
from typing import Any, get_args

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

Route = Callable[..., Any]


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


def arguments(routine: Route) -> Iterable[Parameter]:
    """What it takes, each with its type."""
    return signature(routine, eval_str=True).parameters.values()


def is_body(argument: Parameter) -> bool:
    """Whether that is read from the request's body."""
    return isclass(argument.annotation) and issubclass(argument.annotation, BaseModel)


def is_header(argument: Parameter) -> bool:
    """Whether that is read from the request's headers."""
    return any(isinstance(found, Header) for found in get_args(argument.annotation))


def is_path_of(route: str, path: str) -> bool:
    """Whether a path is the one that the route's scope was given for: the gateway decodes what it has matched."""
    wanted, given = route.partition(" ")[2].split("/"), path.split("/")
    pairs = zip(wanted, given, strict=False)
    return len(wanted) == len(given) and all(part == place or (place[:1] == "{" and part) for place, part in pairs)
