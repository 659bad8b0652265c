"""Answer schemas: the part of JSON Schema (draft 2020-12) that providers keep to when they write structured answers.

The time of a check is bounded, whoever wrote the schema: it has no regular expressions, references are put in place
once, up to a limit, and a check has a fixed number of steps. So an unknown keyword is refused when the schema is set,
not skipped. Faults name paths of an answer, never a value.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.core.redaction import safe_name

SCHEMA_PARTS = 2_000  # subschemas once references are in place: a few `$ref` in each other can stand for billions
SCHEMA_DEPTH = 32  # levels once references are in place, which also finds a schema that refers to itself
STEPS = 250_000  # of one check, about a quarter of a second
NOTES = frozenset({"title", "description", "default", "examples", "deprecated", "format", "$schema", "$defs"})
REFERENCE = "#/$defs/"
NOTHING: JsonObject = {"enum": []}  # the schema `false`, which no value fits
KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: KINDS["number"](value) and value == value // 1,
}
# Keywords that bound a value, each with the kind of value that it is for.
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
INNER = ("additionalProperties", "items")
CHOICES = ("anyOf", "allOf")
KNOWN = frozenset({"type", "enum", "const", "properties", "required", *INNER, *CHOICES, *BOUNDS})


class TooManySteps(Exception):
    """A check ran out of steps: the value has too many parts for so large a schema."""


class Fault(NamedTuple):
    """A place where an answer breaks its schema, as a path below the answer, and what would be right there."""

    path: str
    rule: str


def resolve_references(schema: JsonObject) -> JsonObject:
    """The schema with each `$ref` replaced by what it refers to; ValueError for a part that can't be checked."""
    resolver = _Resolver(schema.get("$defs", {}))
    whole: JsonObject = resolver.resolve(schema, SCHEMA_DEPTH)
    return whole


class _Resolver:
    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self._parts = 0

    def resolve(self, schema: Any, depth: int) -> Any:
        """A subschema with its references in place, of at most this many levels."""
        self._parts += 1
        if not depth or self._parts > SCHEMA_PARTS:
            raise ValueError(f"it refers to itself, or has more than {SCHEMA_PARTS:,} parts or {SCHEMA_DEPTH} levels")
        if isinstance(schema, bool):
            return {} if schema else NOTHING
        if not isinstance(schema, dict):
            raise ValueError("a part of it that must be a schema is no object")
        if unknown := [name for name in schema if name not in KNOWN | NOTES | {"$ref"}]:
            raise ValueError(f"the keyword {safe_name(unknown[0])} is not checked here; leave it out")
        if "$ref" in schema:
            rest = {name: part for name, part in schema.items() if name != "$ref"}
            target = self.resolve(self._target(schema["$ref"]), depth - 1)
            return target if not rest.keys() - NOTES else {"allOf": [target, self.resolve(rest, depth - 1)]}
        return {name: self._part(name, part, depth - 1) for name, part in schema.items() if name in KNOWN}

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
        if name in CHOICES:
            return [self.resolve(inner, depth) for inner in part]
        return self.resolve(part, depth) if name in INNER else part


def _is_keyword_value(name: str, part: Any) -> bool:
    """Whether a keyword's value is of the kind that it must have."""
    if name == "type":
        kinds = part if isinstance(part, list) else [part]
        return bool(kinds) and all(isinstance(kind, str) and kind in KINDS for kind in kinds)
    if name == "properties":
        return isinstance(part, dict)
    if name == "required":
        return isinstance(part, list) and all(isinstance(key, str) for key in part)
    if name in ("enum", *CHOICES):
        return isinstance(part, list) and bool(part)
    if name in BOUNDS:
        return KINDS["number" if BOUNDS[name][0] == "number" else "integer"](part)
    return True


def faults_in(value: Any, schema: JsonObject) -> Iterator[Fault]:
    """The faults of a value by a resolved schema; TooManySteps where finding all takes too many steps."""
    return _Check().faults(value, schema, "")


def fits(value: Any, schema: JsonObject) -> bool:
    """Whether a value keeps to a resolved schema; TooManySteps where that takes too many steps to tell."""
    return _Check().fits(value, schema)


class _Check:
    """One check: the steps that are left, and for which pairs of value and schema it is decided already.

    The pairs are kept by object identity, which is safe as values and schemas outlive the check.
    """

    def __init__(self) -> None:
        self._left = STEPS
        self._fits: dict[tuple[int, int], bool] = {}

    def step(self, number: int = 1) -> None:
        """Spend steps; TooManySteps where none are left."""
        self._left -= number
        if self._left < 0:
            raise TooManySteps

    def fits(self, value: Any, schema: JsonObject) -> bool:
        """Whether a value keeps to a schema; decided once for each pair."""
        key = id(value), id(schema)
        if key not in self._fits:
            self._fits[key] = next(self.faults(value, schema, ""), None) is None
        return self._fits[key]

    def faults(self, value: Any, schema: JsonObject, path: str) -> Iterator[Fault]:
        """The faults of a value by a schema, with paths below this one."""
        for name, wanted in schema.items():
            self.step(len(wanted) if isinstance(wanted, list | dict) else 1)
            if name in BOUNDS:
                kind, keeps = BOUNDS[name]
                if KINDS[kind](value) and not keeps(value, wanted):
                    yield Fault(path, f"must keep to `{name}` {wanted}")
            elif name in RULES:
                yield from RULES[name](self, value, wanted, path)
            elif isinstance(value, dict):
                yield from RULES_OF_OBJECTS[name](self, value, wanted, schema, path)


def _of_type(_: _Check, value: Any, wanted: Any, path: str) -> Iterator[Fault]:
    kinds = wanted if isinstance(wanted, list) else [wanted]
    if not any(KINDS[kind](value) for kind in kinds):
        yield Fault(path, f"must be of type {' or '.join(kinds)}")


def _named(check: _Check, value: Any, wanted: Any, path: str) -> Iterator[Fault]:
    if not any(_same(check, value, allowed) for allowed in wanted):
        yield Fault(path, "must be one of the values that the schema names")


def _fits_any(check: _Check, value: Any, wanted: Any, path: str) -> Iterator[Fault]:
    if not any(check.fits(value, branch) for branch in wanted):
        yield Fault(path, "must fit one of `anyOf`")


def _fits_all(check: _Check, value: Any, wanted: Any, path: str) -> Iterator[Fault]:
    for branch in wanted:
        yield from check.faults(value, branch, path)


def _items(check: _Check, value: Any, wanted: Any, path: str) -> Iterator[Fault]:
    for index, part in enumerate(value if isinstance(value, list) else ()):
        check.step()
        yield from check.faults(part, wanted, f"{path}[{index}]")


def _required(_: _Check, value: JsonObject, wanted: Any, _schema: JsonObject, path: str) -> Iterator[Fault]:
    yield from (Fault(f"{path}.{safe_name(name)}", "must be there") for name in wanted if name not in value)


def _inner(check: _Check, value: JsonObject, wanted: Any, _: JsonObject, path: str) -> Iterator[Fault]:
    for name in (name for name in wanted if name in value):
        yield from check.faults(value[name], wanted[name], f"{path}.{safe_name(name)}")


def _others(check: _Check, value: JsonObject, wanted: Any, schema: JsonObject, path: str) -> Iterator[Fault]:
    check.step(len(value))
    for name in (name for name in value if name not in schema.get("properties", {})):
        if wanted == NOTHING:
            yield Fault(f"{path}.{safe_name(name)}", "is not known")
        else:
            yield from check.faults(value[name], wanted, f"{path}.{safe_name(name)}")


RULES: dict[str, Callable[[_Check, Any, Any, str], Iterator[Fault]]] = {
    "type": _of_type,
    "enum": _named,
    "const": lambda check, value, wanted, path: _named(check, value, [wanted], path),
    "anyOf": _fits_any,
    "allOf": _fits_all,
    "items": _items,
}
RULES_OF_OBJECTS: dict[str, Callable[[_Check, JsonObject, Any, JsonObject, str], Iterator[Fault]]] = {
    "required": _required,
    "properties": _inner,
    "additionalProperties": _others,
}


def order_names(value: Any, schema: JsonObject) -> Any:
    """The value with object names in the schema's order, as a provider writes them; other names follow, sorted.

    For a value without faults, which takes no more steps to order than to check.
    """
    return _ordered(_Check(), value, schema)


def _ordered(check: _Check, value: Any, schema: JsonObject) -> Any:
    if isinstance(value, list):
        return [_ordered(check, part, schema.get("items", {})) for part in value]
    if not isinstance(value, dict):
        return value
    inner = _properties(check, value, schema)
    names = [*(name for name in inner if name in value), *sorted(value.keys() - inner.keys())]
    return {name: _ordered(check, value[name], inner.get(name, {})) for name in names}


def _properties(check: _Check, value: JsonObject, schema: JsonObject) -> dict[str, JsonObject]:
    """The properties of an object's schema, with those of `allOf` and of the first branch of `anyOf` that it fits."""
    properties: dict[str, JsonObject] = dict(schema.get("properties", {}))
    first_fit = islice((branch for branch in schema.get("anyOf", []) if check.fits(value, branch)), 1)
    for branch in chain(schema.get("allOf", []), first_fit):
        properties = {**_properties(check, value, branch), **properties}
    return properties


def _same(check: _Check, one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1 (and 1.0 is 1)."""
    check.step()
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(check, one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(check, *pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
