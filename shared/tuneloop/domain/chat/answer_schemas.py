"""Answer schemas: JSON Schema (draft 2020-12) as far as providers follow it when they write an answer.

Checking can't take long, whoever wrote the schema: there are no regular expressions in it, what it refers to is put in
its place once, up to a limit, and a check has so many steps and no more. So a keyword that isn't known here is refused
when the schema is set, not skipped. Of an answer only names and places are told, never a value.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from tuneloop.domain.chat.examples import JsonObject
from tuneloop.domain.core.redaction import safe_name

SCHEMA_PARTS = 2_000  # schemas in each other once references are in place
SCHEMA_DEPTH = 32
STEPS = 250_000  # of one check, about a quarter of a second: what keywords name, held against values
NOTES = frozenset({"title", "description", "default", "examples", "deprecated", "format", "$schema", "$defs"})
REFERENCE = "#/$defs/"
NOTHING: JsonObject = {"enum": []}  # what no value fits
KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: KINDS["number"](value) and value == value // 1,
}
# What a keyword bounds, and of which kind of value.
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
    """A value has too many parts to be checked against so many parts of a schema."""


class Fault(NamedTuple):
    """Where an answer departs from its schema, as a path below it, and what the schema wants there."""

    path: str
    rule: str


def resolve_references(schema: JsonObject) -> JsonObject:
    """The schema with what it refers to in place; ValueError says which part of it can't be checked."""
    resolver = _Resolver(schema.get("$defs", {}))
    found: JsonObject = resolver.resolve(schema, SCHEMA_DEPTH)
    return found


class _Resolver:
    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self._parts = 0

    def resolve(self, schema: Any, depth: int) -> Any:
        """The schema with its references in place, down to a depth."""
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
        if not _is_sound(name, part):
            raise ValueError(f"`{name}` has a value that JSON Schema doesn't give it")
        if name == "properties":
            return {each: self.resolve(inner, depth) for each, inner in part.items()}
        if name in CHOICES:
            return [self.resolve(inner, depth) for inner in part]
        return self.resolve(part, depth) if name in INNER else part


def _is_sound(name: str, part: Any) -> bool:
    """Whether a keyword's value is of the kind that it must have."""
    if name == "type":
        kinds = part if isinstance(part, list) else [part]
        return bool(kinds) and all(isinstance(kind, str) and kind in KINDS for kind in kinds)
    if name == "properties":
        return isinstance(part, dict)
    if name == "required":
        return isinstance(part, list) and all(isinstance(each, str) for each in part)
    if name in ("enum", *CHOICES):
        return isinstance(part, list) and bool(part)
    if name in BOUNDS:
        return KINDS["number" if BOUNDS[name][0] == "number" else "integer"](part)
    return True


def faults_in(value: Any, schema: JsonObject) -> Iterator[Fault]:
    """Where a value departs from a resolved schema; TooMuch where looking at all of it takes too many steps."""
    return _Check().faults(value, schema, "")


def fits(value: Any, schema: JsonObject) -> bool:
    """Whether a value keeps to a resolved schema; TooMuch where telling takes too many steps."""
    return _Check().fits(value, schema)


class _Check:
    """One check: the steps that are left, and what is known to fit by what it is (the parts live longer than this)."""

    def __init__(self) -> None:
        self._left = STEPS
        self._known: dict[tuple[int, int], bool] = {}

    def step(self, number: int = 1) -> None:
        """Take steps; TooMuch where none are left."""
        self._left -= number
        if self._left < 0:
            raise TooManySteps

    def fits(self, value: Any, schema: JsonObject) -> bool:
        """Whether a value keeps to a schema, looked at once."""
        key = id(value), id(schema)
        if key not in self._known:
            self._known[key] = next(self.faults(value, schema, ""), None) is None
        return self._known[key]

    def faults(self, value: Any, schema: JsonObject, path: str) -> Iterator[Fault]:
        """Where a value departs from a schema, as paths below this one."""
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
    if not any(_same(check, value, each) for each in wanted):
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
    """The value with its names in the schema's order, as a provider writes them, and others after them by name.

    It takes no more steps than it took to find that the value has no faults.
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
    found: dict[str, JsonObject] = dict(schema.get("properties", {}))
    chosen = islice((each for each in schema.get("anyOf", []) if check.fits(value, each)), 1)
    for branch in chain(schema.get("allOf", []), chosen):
        found = {**_properties(check, value, branch), **found}
    return found


def _same(check: _Check, one: Any, other: Any) -> bool:
    """Whether two values are one in JSON, where true is no number and 1.0 is 1."""
    check.step()
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(check, one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(check, *pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
