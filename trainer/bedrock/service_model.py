"""Bedrock's API as botocore describes it: operations with their paths, and the shapes of input and output.

botocore ships the service's own description, from which the SDKs are made, so nothing about the wire is written by hand
here. Its validator checks names, types, lengths from below and what is required; the rest that the description says
(patterns, enumerations, lengths from above) is checked beside it.
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
    """An answer of ours that botocore's model does not allow."""


class OperationRoute(NamedTuple):
    """One operation and how its path reads: literal segments, and `{name}` where an identifier stands."""

    operation: OperationModel
    method: str
    segments: tuple[str, ...]


class OperationCall(NamedTuple):
    """A request's operation, and the identifiers in its path."""

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
    """Find the operation of a request by its undecoded path, in which an ARN's slashes are still written `%2F`."""
    given = _segments(raw_path)
    for route in routes():
        if route.method == method and len(route.segments) == len(given):
            labels = _labels(route.segments, given)
            if labels is not None:
                return OperationCall(route.operation, labels)
    return None


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.partition("?")[0].strip("/").split("/"))


def _labels(wanted: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str] | None:
    labels = {}
    for want, got in zip(wanted, given, strict=True):
        if label := _LABEL.fullmatch(want):
            labels[label[1]] = unquote(got)
        elif want != got:
            return None
    return labels


def faults_in(value: Any, shape: Shape) -> list[str]:
    """Say which rules of a shape a value breaks, naming its members and never what they hold."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [_redacted(line) for line in report.generate_report().splitlines()]
    return list(_constraint_faults(value, shape, ""))


def _redacted(line: str) -> str:
    """Cut the value out of a line of botocore's report."""
    return re.sub(r", value: .*?(, type: |, valid |$)", r"\1", line)


def _constraint_faults(value: Any, shape: Shape, name: str) -> Iterator[str]:
    """Check what botocore's own validator leaves to the service."""
    if isinstance(shape, StructureShape):
        if not shape.is_document_type:
            for member, inner in value.items():
                yield from _constraint_faults(inner, shape.members[member], f"{name}.{member}".lstrip("."))
    elif isinstance(shape, MapShape):
        for inner in value.values():
            yield from _constraint_faults(inner, shape.value, f"{name}[]")
    elif isinstance(shape, ListShape):
        yield from _too_much(len(value), shape, name)
        for inner in value:
            yield from _constraint_faults(inner, shape.member, f"{name}[]")
    elif shape.type_name == "string":
        yield from _too_much(len(value), shape, name)
        yield from _odd_text(value, shape, name)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _too_much(value, shape, name)


def _too_much(size: float, shape: Shape, name: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and size > float(most):
        yield f"{name} may be at most {most}"


def _odd_text(value: str, shape: Shape, name: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{name} must be one of {', '.join(allowed)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{name} must satisfy the regular expression {pattern}"
