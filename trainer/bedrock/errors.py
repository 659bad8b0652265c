"""Refusals in AWS's REST-JSON shape: the exception's name in the header `x-amzn-ErrorType`, its text in `message`.

The names are those of botocore's model, which has the status of each. A message never repeats what the caller sent.
"""

import orjson
from starlette.responses import Response

VALIDATION = "ValidationException"
CONFLICT = "ConflictException"
NOT_FOUND = "ResourceNotFoundException"
DENIED = "AccessDeniedException"
NOT_READY = "ModelNotReadyException"
INTERNAL = "InternalServerException"
UNKNOWN = "UnknownOperationException"


class AwsRefusalError(Exception):
    """A refused request; `name` is one of the exceptions that the request's operation declares."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def invalid(message: str) -> AwsRefusalError:
    """Return the refusal of a request that isn't valid."""
    return AwsRefusalError(VALIDATION, message)


def conflict(message: str) -> AwsRefusalError:
    """Return the refusal of a request that conflicts with something in the account."""
    return AwsRefusalError(CONFLICT, message)


def not_found(kind: str) -> AwsRefusalError:
    """Return the refusal of a request for something that doesn't exist, e.g. `not_found("custom model")`."""
    return AwsRefusalError(NOT_FOUND, f"There is no such {kind} in this account and region.")


def error_response(name: str, message: str, status: int, request_id: str) -> Response:
    """Return a refusal as an HTTP response."""
    headers = {"x-amzn-errortype": name, "x-amzn-requestid": request_id}
    return Response(orjson.dumps({"message": message}), status, headers, "application/json")
