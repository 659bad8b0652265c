"""The OpenAPI document as tests use it: every route with what it takes, and requests that it must not take.

A new route is tested as soon as it is in the document; all that has to be written for it is one body that fits, in
`tests/functions/routes.py`, and one thing for a name in its path that no other route has.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from docs.build import OPENAPI
from tests.functions.routes import BODIES, FORMS, QUERIES, path_of
from tests.world import Answer, World

Json = Any
Place = tuple[str | int, ...]
DOCUMENT = json.loads(OPENAPI.read_text("utf-8"))
EVERYTHING = frozenset({"object", "array", "string", "number", "boolean", "null"})
WRONG: dict[str, Json] = {"object": {"wrong": 1}, "array": [["wrong"]], "string": "wrong", "null": None}
BEYOND: dict[str, Callable[[Json], Json]] = {
    "maximum": lambda most: most + 1,
    "minimum": lambda least: least - 1,
    "exclusiveMinimum": lambda bound: bound,
    "maxLength": lambda most: "x" * (most + 1),
    "minLength": lambda least: "x" * (least - 1),
    "pattern": lambda _: "NOT A NAME",
    "enum": lambda _: "nonsense",
    "maxItems": lambda most: [{}] * (most + 1),
    "minItems": lambda least: [{}] * (least - 1),
    "maxProperties": lambda most: {str(number): "x" for number in range(most + 1)},
}
# What looks like a number or a truth and is of another type, or no number at all: JSON has a type for each.
NEAR: dict[str, list[Json]] = {
    "integer": [True, False, 1.0, -0.0, 1.5, "1", "1_0", " 1", "-0", "+1", "\uff11", "0x1"],
    "number": [True, False, "1", "1_0", " 1", "-0", "NaN", "Infinity", "1e1"],
    "boolean": [0, 1, 1.0, "true", "false", "no", "1", ""],
}
UNKNOWN = "colour_of_the_bird"


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    route: str
    scope: str
    names: tuple[str, ...]
    query: dict[str, Json]
    body: Json
    needs_body: bool

    def send(self, world: World, ids: dict[str, str], key: str | None = "", **fields: Any) -> Answer:
        """The request that fits, with ids in its path and other fields in its body."""
        body = {**BODIES[self.route], **fields} if self.body else FORMS.get(self.route)
        return world.call(self.route, path_of(self.route, ids), body, key=key, **QUERIES.get(self.route, {}))


def _operations() -> Iterator[Operation]:
    """All that a key opens; what its sender signs instead is tried by tests of its own."""
    for path, methods in DOCUMENT["paths"].items():
        for method, found in methods.items():
            if found.get("security") == []:
                continue
            parameters = found.get("parameters", [])
            content = found.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield Operation(
                route=f"{method.upper()} {path}",
                scope=found["x-scope"],
                names=tuple(parameter["name"] for parameter in parameters if parameter["in"] == "path"),
                query={
                    parameter["name"]: _plain(parameter["schema"])
                    for parameter in parameters
                    if parameter["in"] == "query"
                },
                body=_plain(content["schema"]) if content else None,
                needs_body=found.get("requestBody", {}).get("required", False),
            )


def _plain(schema: Json) -> Json:
    """A schema with what it refers to in place; nothing of ours refers to itself."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _plain(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]])
    return {name: _plain(part) for name, part in schema.items()}


OPERATIONS = tuple(_operations())


def wrong_fields(operation: Operation) -> Iterator[tuple[Place, Json]]:
    """For each field of a body: its place, and bodies in which it has a type that it must not have, or isn't known."""
    for place, value in _wrongs(operation.body, ()):
        body = deepcopy(BODIES[operation.route])
        if _placed(body, place, value):
            yield place, body


def _wrongs(schema: Json, place: Place) -> Iterator[tuple[Place, Json]]:
    for part in _branches(schema):
        if part.get("additionalProperties") is not True and "properties" in part:
            yield (*place, UNKNOWN), 1
        for name, field in part.get("properties", {}).items():
            yield from (((*place, name), value) for value in _refused(field))
            yield from _wrongs(field, (*place, name))
        if "items" in part:
            yield from _wrongs(part["items"], (*place, 0))


def _refused(schema: Json) -> Iterator[Json]:
    """What a field must not be: of a wrong type, nothing at all, or beyond its bounds."""
    taken = {kind for part in _branches(schema) for kind in _types(part)}
    others = [kind for kind in WRONG if kind not in taken]
    yield from (WRONG[kind] for kind in others if kind in ("null", others[0]))
    yield from (value for kind in NEAR for value in NEAR[kind] if kind in _kinds(schema) and _kind(value) not in taken)
    for part in _branches(schema):
        yield from (value(part[rule]) for rule, value in BEYOND.items() if rule in part)


def _types(schema: Json) -> frozenset[str]:
    if kind := schema.get("type"):
        return frozenset({"number" if kind == "integer" else kind})
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return frozenset({"string"}) if values and all(isinstance(value, str) for value in values) else EVERYTHING


def _kinds(schema: Json) -> set[str]:
    return {part["type"] for part in _branches(schema) if "type" in part}


def _kind(value: Json) -> str:
    """The type of a value as a body's schema names it, numbers all alike but for those with a fraction."""
    kinds = {bool: "boolean", str: "string", int: "number", float: "fraction"}
    return kinds[type(value)]


def _branches(schema: Json) -> list[Json]:
    return [branch for part in schema["anyOf"] for branch in _branches(part)] if "anyOf" in schema else [schema]


def _placed(body: Json, place: Place, value: Json) -> bool:
    """Put a value into a body, making the objects on the way; False where a list on the way has no rows."""
    for step, following in pairwise(place):
        if isinstance(step, str) and body.get(step) is None:
            body[step] = [] if isinstance(following, int) else {}
        if isinstance(step, int) and not body:
            return False
        body = body[step]
    body[place[-1]] = value
    return True
