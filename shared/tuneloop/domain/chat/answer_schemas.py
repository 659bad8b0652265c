"""Answer schemas: the part of JSON Schema (draft 2020-12) that providers support for structured outputs.

The time of a check is bounded, whoever wrote the schema: a schema has no regular expressions, its references are
resolved once and up to a limit, and a check has a fixed number of steps. An unknown keyword is refused when the schema
is set, not skipped. Faults name paths of an answer, never a value.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.core.redaction import safe_name

SCHEMA_PARTS = 2_000  # subschemas once references are resolved: a few `$ref` in each other can stand for billions
SCHEMA_DEPTH = 32  # levels once references are resolved, which also finds a schema that refers to itself
MOST_STEPS = 250_000  # of one check, about a quarter of a second
# Keywords that describe and check nothing; `format` is among them, as draft 2020-12 has it by default.
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "format", "$schema", "$defs"})
REFERENCE = "#/$defs/"
FALSE_SCHEMA: JsonObject = {"enum": []}  # the schema `false`, which no value fits
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: TYPES["number"](value) and value == value // 1,
}
# Keywords that bound a value, each with the type of value that it applies to and whether a value keeps to a bound.
BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("number", lambda value, bound: value >= bound),
    "maximum": ("number", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("number", lambda value, bound: value > bound),
    "exclusiveMaximum": ("number", lambda value, bound: value < bound),
    "minLength": ("string", lambda value, bound: len(value) >= bound),
    "maxLength": ("string", lambda value, bound: len(value) <= bound),
    "minItems": ("array", lambda value, bound: len(value) >= bound),
    "maxItems": ("array", lambda value, bound: len(value) <= bound),
}
SUBSCHEMA_KEYWORDS = ("additionalProperties", "items")
BRANCH_KEYWORDS = ("anyOf", "allOf")
KEYWORDS = frozenset(
    {"type", "enum", "const", "properties", "required", *SUBSCHEMA_KEYWORDS, *BRANCH_KEYWORDS, *BOUNDS}
)


class TooManySteps(Exception):
    """A check ran out of steps: the value has too many parts for so large a schema."""


class Fault(NamedTuple):
    """A place where an answer breaks its schema, as a path from the answer's root, and what would be right there."""

    path: str
    rule: str


def resolve_references(schema: JsonObject) -> JsonObject:
    """The schema with each `$ref` replaced by the definition it names; ValueError for a part that can't be checked."""
    resolver = _Resolver(schema.get("$defs", {}))
    whole: JsonObject = resolver.resolve(schema, SCHEMA_DEPTH)
    return whole


class _Resolver:
    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self._parts = 0

    def resolve(self, schema: Any, depth: int) -> Any:
        """A subschema with its references resolved, of at most this many levels; ValueError where it has more."""
        self._parts += 1
        if not depth or self._parts > SCHEMA_PARTS:
            raise ValueError(f"it refers to itself, or has more than {SCHEMA_PARTS:,} parts or {SCHEMA_DEPTH} levels")
        if isinstance(schema, bool):
            return {} if schema else FALSE_SCHEMA
        if not isinstance(schema, dict):
            raise ValueError("a part of it that must be a schema is no object")
        if unknown := [name for name in schema if name not in KEYWORDS | ANNOTATIONS | {"$ref"}]:
            raise ValueError(f"the keyword {safe_name(unknown[0])} is not checked here; leave it out")
        if "$ref" in schema:
            rest = {name: part for name, part in schema.items() if name != "$ref"}
            target = self.resolve(self._target(schema["$ref"]), depth - 1)
            return target if not rest.keys() - ANNOTATIONS else {"allOf": [target, self.resolve(rest, depth - 1)]}
        return {name: self._part(name, part, depth - 1) for name, part in schema.items() if name in KEYWORDS}

    def _target(self, reference: Any) -> Any:
        name = reference.removeprefix(REFERENCE) if isinstance(reference, str) else None
        if not isinstance(self._definitions, dict) or name not in self._definitions:
            raise ValueError("a `$ref` must name one of its own `$defs`: #/$defs/Name")
        return self._definitions[name]

    def _part(self, name: str, part: Any, depth: int) -> Any:
        if not _is_keyword_value(name, part):
            raise ValueError(f"`{name}` has a value that JSON Schema doesn't give it")
        if name == "properties":
            return {key: self.resolve(inner, depth) for key, inner in part.items()}
        if name in BRANCH_KEYWORDS:
            return [self.resolve(inner, depth) for inner in part]
        return self.resolve(part, depth) if name in SUBSCHEMA_KEYWORDS else part


def _is_keyword_value(name: str, part: Any) -> bool:
    """Whether the value of a keyword has the type that JSON Schema gives that keyword."""
    if name == "type":
        types = part if isinstance(part, list) else [part]
        return bool(types) and all(isinstance(kind, str) and kind in TYPES for kind in types)
    if name == "properties":
        return isinstance(part, dict)
    if name == "required":
        return isinstance(part, list) and all(isinstance(key, str) for key in part)
    if name in ("enum", *BRANCH_KEYWORDS):
        return isinstance(part, list) and bool(part)
    if name in BOUNDS:
        return TYPES["number" if BOUNDS[name][0] == "number" else "integer"](part)
    return True


def faults_in(value: Any, schema: JsonObject) -> Iterator[Fault]:
    """The faults of a value by a resolved schema; TooManySteps where finding them all takes more than MOST_STEPS."""
    return _Check().faults(value, schema, "")


def fits(value: Any, schema: JsonObject) -> bool:
    """Whether a value keeps to a resolved schema; TooManySteps where telling takes more than MOST_STEPS."""
    return _Check().fits(value, schema)


class _Check:
    """One check: the steps that are left, and the pairs of value and schema that are decided already.

    A pair is remembered by the identity of its objects, which is safe as values and schemas outlive the check.
    """

    def __init__(self) -> None:
        self._left = MOST_STEPS
        self._fits: dict[tuple[int, int], bool] = {}

    def step(self, number: int = 1) -> None:
        """Spend steps; TooManySteps where none are left."""
        self._left -= number
        if self._left < 0:
            raise TooManySteps

    def fits(self, value: Any, schema: JsonObject) -> bool:
        """Whether a value keeps to a schema; decided once for each pair of them."""
        key = id(value), id(schema)
        if key not in self._fits:
            self._fits[key] = next(self.faults(value, schema, ""), None) is None
        return self._fits[key]

    def faults(self, value: Any, schema: JsonObject, path: str) -> Iterator[Fault]:
        """The faults of a value by a schema, each with a path that begins with `path`, the value's own."""
        for name, constraint in schema.items():
            self.step(len(constraint) if isinstance(constraint, list | dict) else 1)
            if name in BOUNDS:
                kind, keeps = BOUNDS[name]
                if TYPES[kind](value) and not keeps(value, constraint):
                    yield Fault(path, f"must keep to `{name}` {constraint}")
            elif name in RULES:
                yield from RULES[name](self, value, constraint, path)
            elif isinstance(value, dict):
                yield from OBJECT_RULES[name](self, value, constraint, schema, path)


def _type_faults(_: _Check, value: Any, constraint: Any, path: str) -> Iterator[Fault]:
    types = constraint if isinstance(constraint, list) else [constraint]
    if not any(TYPES[kind](value) for kind in types):
        yield Fault(path, f"must be of type {' or '.join(types)}")


def _enum_faults(check: _Check, value: Any, constraint: Any, path: str) -> Iterator[Fault]:
    if not any(_are_equal(check, value, allowed) for allowed in constraint):
        yield Fault(path, "must be one of the values that the schema names")


def _any_of_faults(check: _Check, value: Any, constraint: Any, path: str) -> Iterator[Fault]:
    if not any(check.fits(value, branch) for branch in constraint):
        yield Fault(path, "must fit one of `anyOf`")


def _all_of_faults(check: _Check, value: Any, constraint: Any, path: str) -> Iterator[Fault]:
    for branch in constraint:
        yield from check.faults(value, branch, path)


def _item_faults(check: _Check, value: Any, constraint: Any, path: str) -> Iterator[Fault]:
    for index, part in enumerate(value if isinstance(value, list) else ()):
        check.step()
        yield from check.faults(part, constraint, f"{path}[{index}]")


def _required_faults(_: _Check, value: JsonObject, constraint: Any, _schema: JsonObject, path: str) -> Iterator[Fault]:
    yield from (Fault(f"{path}.{safe_name(name)}", "must be there") for name in constraint if name not in value)


def _property_faults(check: _Check, value: JsonObject, constraint: Any, _: JsonObject, path: str) -> Iterator[Fault]:
    for name in (name for name in constraint if name in value):
        yield from check.faults(value[name], constraint[name], f"{path}.{safe_name(name)}")


def _additional_property_faults(
    check: _Check, value: JsonObject, constraint: Any, schema: JsonObject, path: str
) -> Iterator[Fault]:
    check.step(len(value))
    for name in (name for name in value if name not in schema.get("properties", {})):
        if constraint == FALSE_SCHEMA:
            yield Fault(f"{path}.{safe_name(name)}", "is not known")
        else:
            yield from check.faults(value[name], constraint, f"{path}.{safe_name(name)}")


RULES: dict[str, Callable[[_Check, Any, Any, str], Iterator[Fault]]] = {
    "type": _type_faults,
    "enum": _enum_faults,
    "const": lambda check, value, constraint, path: _enum_faults(check, value, [constraint], path),
    "anyOf": _any_of_faults,
    "allOf": _all_of_faults,
    "items": _item_faults,
}
OBJECT_RULES: dict[str, Callable[[_Check, JsonObject, Any, JsonObject, str], Iterator[Fault]]] = {
    "required": _required_faults,
    "properties": _property_faults,
    "additionalProperties": _additional_property_faults,
}


def order_names(value: Any, schema: JsonObject) -> Any:
    """The value with its objects' keys in the schema's order, as a provider writes them; other keys follow, sorted.

    Only for a value without faults: ordering one takes no more steps than checking it.
    """
    return _order(_Check(), value, schema)


def _order(check: _Check, value: Any, schema: JsonObject) -> Any:
    if isinstance(value, list):
        return [_order(check, part, schema.get("items", {})) for part in value]
    if not isinstance(value, dict):
        return value
    inner = _properties(check, value, schema)
    names = [*(name for name in inner if name in value), *sorted(value.keys() - inner.keys())]
    return {name: _order(check, value[name], inner.get(name, {})) for name in names}


def _properties(check: _Check, value: JsonObject, schema: JsonObject) -> dict[str, JsonObject]:
    """The properties of an object's schema, those of `allOf` and of the first `anyOf` branch that it fits included."""
    properties: dict[str, JsonObject] = dict(schema.get("properties", {}))
    first_fit = islice((branch for branch in schema.get("anyOf", []) if check.fits(value, branch)), 1)
    for branch in chain(schema.get("allOf", []), first_fit):
        properties = {**_properties(check, value, branch), **properties}
    return properties


def _are_equal(check: _Check, one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1 (and 1.0 is 1)."""
    check.step()
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_equal(check, one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_are_equal(check, *pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
