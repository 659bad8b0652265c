"""The server's side of REST-JSON: requests as the members of their operation's input, and answers as bytes.

botocore implements only the client's side of this protocol; this module is driven by the same service model.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.utils import parse_timestamp
from starlette.datastructures import QueryParams
from starlette.responses import Response

from trainer.bedrock.errors import invalid
from trainer.bedrock.service_model import ModelBrokenError, OperationCall, faults_in

JSON = "application/json"


def read_request(call: OperationCall, query: QueryParams, body: bytes) -> dict[str, Any]:
    """Return the members of a request's input; ValidationException if the operation's model doesn't allow them."""
    shape = call.operation.input_shape
    if shape is None:
        return {}
    request = {name: value for name, value in _json_object(body).items() if value is not None}
    for name, member in shape.members.items():
        location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri":
            request[name] = call.labels[wire_name]
        elif location == "querystring" and wire_name in query:
            request[name] = _from_text(query[wire_name], member, name)
    if faults := faults_in(request, shape):
        raise invalid("; ".join(faults))
    return request


def write_response(operation: OperationModel, answer: Mapping[str, Any], request_id: str) -> Response:
    """Return an answer as an HTTP response; ModelBrokenError if the operation's model doesn't allow it."""
    content = b"{}"
    if operation.output_shape is not None:
        check(answer, operation.output_shape)
        content = orjson.dumps(_to_json(answer, operation.output_shape))
    return Response(content, operation.http["responseCode"], {"x-amzn-requestid": request_id}, JSON)


def check(answer: Any, shape: Shape) -> None:
    """Raise ModelBrokenError if an answer, or a part of one, isn't what its shape allows."""
    if faults := faults_in(answer, shape):
        raise ModelBrokenError(f"{shape.name}: {'; '.join(faults)}")


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise invalid("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise invalid("The body is not a JSON object.")
    return value


def _from_text(text: str, shape: Shape, name: str) -> Any:
    """Convert a query parameter to the type of its shape."""
    try:
        if shape.type_name == "timestamp":
            return parse_timestamp(text)
        if shape.type_name in ("integer", "long"):
            return int(text)
    except ValueError:
        raise invalid(f"{name} is not a {shape.type_name}.") from None
    return text == "true" if shape.type_name == "boolean" else text


def _to_json(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        return {name: _to_json(inner, shape.members[name]) for name, inner in value.items()}
    if isinstance(shape, ListShape):
        return [_to_json(inner, shape.member) for inner in value]
    if isinstance(shape, MapShape):
        return {name: _to_json(inner, shape.value) for name, inner in value.items()}
    return _moment(value, shape) if isinstance(value, datetime) else value


def _moment(value: datetime, shape: Shape) -> str | float:
    """Return a time in its shape's format; in seconds since 1970 if the shape names none."""
    if shape.serialization.get("timestampFormat") == "iso8601":
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.timestamp()
