"""Bedrock's API as botocore describes it: operations with their paths, and the shapes of inputs and outputs.

botocore ships the service's own model, from which the SDKs are generated, so nothing about the wire is written by hand
here. Its validator checks names, types, minimum lengths and required members. This module checks the other constraints
of the model: patterns, enumerations and maximum lengths.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

SERVICES = ("bedrock", "bedrock-runtime")
_LABEL = re.compile(r"\{(\w+)\+?\}")


class ModelBrokenError(Exception):
    """An answer of the trainer that botocore's model doesn't allow: a bug."""


class OperationRoute(NamedTuple):
    """An operation with its method and path: literal segments, and `{name}` for an identifier."""

    operation: OperationModel
    method: str
    segments: tuple[str, ...]


class OperationCall(NamedTuple):
    """The operation of a request, and the identifiers in its path."""

    operation: OperationModel
    labels: dict[str, str]


@cache
def routes() -> tuple[OperationRoute, ...]:
    """Return every operation of Bedrock's two services (the first call takes about 100 ms)."""
    loader = Loader()
    services = [ServiceModel(loader.load_service_model(name, "service-2")) for name in SERVICES]
    operations = [service.operation_model(name) for service in services for name in service.operation_names]
    return tuple(
        OperationRoute(operation, operation.http["method"], _segments(operation.http["requestUri"]))
        for operation in operations
    )


def call_of(method: str, raw_path: str) -> OperationCall | None:
    """Return the operation of a request, or None; in `raw_path` the slashes of an ARN are still encoded as `%2F`."""
    segments = _segments(raw_path)
    for route in routes():
        if route.method == method and len(route.segments) == len(segments):
            labels = _labels(route.segments, segments)
            if labels is not None:
                return OperationCall(route.operation, labels)
    return None


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.partition("?")[0].strip("/").split("/"))


def _labels(template: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str] | None:
    """Return the identifiers in a path by their names in the template; None if the path doesn't match it."""
    labels = {}
    for expected, actual in zip(template, path, strict=True):
        if label := _LABEL.fullmatch(expected):
            labels[label[1]] = unquote(actual)
        elif expected != actual:
            return None
    return labels


def faults_in(value: Any, shape: Shape) -> list[str]:
    """Return which rules of a shape a value breaks, with the names of its members but none of their values."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [_redacted(line) for line in report.generate_report().splitlines()]
    return list(_constraint_faults(value, shape, ""))


def _redacted(line: str) -> str:
    """Return a line of botocore's report without the value that it quotes."""
    return re.sub(r", value: .*?(, type: |, valid |$)", r"\1", line)


def _constraint_faults(value: Any, shape: Shape, name: str) -> Iterator[str]:
    """Yield the broken constraints that botocore's validator leaves to the service."""
    if isinstance(shape, StructureShape):
        if not shape.is_document_type:
            for member, inner in value.items():
                yield from _constraint_faults(inner, shape.members[member], f"{name}.{member}".lstrip("."))
    elif isinstance(shape, MapShape):
        for inner in value.values():
            yield from _constraint_faults(inner, shape.value, f"{name}[]")
    elif isinstance(shape, ListShape):
        yield from _maximum_fault(len(value), shape, name)
        for inner in value:
            yield from _constraint_faults(inner, shape.member, f"{name}[]")
    elif shape.type_name == "string":
        yield from _maximum_fault(len(value), shape, name)
        yield from _text_faults(value, shape, name)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _maximum_fault(value, shape, name)


def _maximum_fault(size: float, shape: Shape, name: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and size > float(most):
        yield f"{name} may be at most {most}"


def _text_faults(value: str, shape: Shape, name: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{name} must be one of {', '.join(allowed)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{name} must satisfy the regular expression {pattern}"
