"""Refusals in AWS's REST-JSON shape: the exception's name in `x-amzn-ErrorType`, its sentence in `message`.

The names are those of botocore's model, which knows the status of each; messages never repeat what a caller sent.
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
    """A request that is turned down, under the name of one of the exceptions that its operation may answer with."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def invalid(message: str) -> AwsRefusalError:
    """Refuse a request that asks for something wrong."""
    return AwsRefusalError(VALIDATION, message)


def conflict(message: str) -> AwsRefusalError:
    """Refuse a request that something in the account stands against."""
    return AwsRefusalError(CONFLICT, message)


def not_found(what: str) -> AwsRefusalError:
    """Refuse because there is no such thing, e.g. `not_found("model customization job")`."""
    return AwsRefusalError(NOT_FOUND, f"There is no such {what} in this account and region.")


def error_response(name: str, message: str, status: int, request_id: str) -> Response:
    """Write a refusal as an answer."""
    headers = {"x-amzn-errortype": name, "x-amzn-requestid": request_id}
    return Response(orjson.dumps({"message": message}), status, headers, "application/json")
