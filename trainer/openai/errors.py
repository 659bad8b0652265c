"""Refusals: all answers with a status of 400 or more, in OpenAI's shape."""

from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tuneloop.openai_wire.errors import SERVER_ERROR, describe_fault, error_body, first_fault


class RefusalError(Exception):
    """A refused request: the status of the answer, and the members of its error body."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


def not_found(kind: str, identifier: str) -> RefusalError:
    """Return the refusal of a request for something that doesn't exist, e.g. `not_found("file", "file-1")`."""
    return RefusalError(404, f"{kind.replace(' ', '_')}_not_found", f"No such {kind}: {identifier}", "id")


def invalid(error: ValidationError) -> RefusalError:
    """Return the refusal of a body that doesn't have the shape of its route."""
    message, param = first_fault(error)
    return RefusalError(400, "invalid_value", message, param)


def error_response(
    refusal: RefusalError, request_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a refusal as an HTTP response."""
    kind = SERVER_ERROR if refusal.status >= 500 else "invalid_request_error"
    body = error_body(str(refusal), code=refusal.code, type=kind, param=refusal.param, request_id=request_id)
    return Response(orjson.dumps(body), refusal.status, headers, "application/json")


def install_error_handlers(app: FastAPI) -> None:
    """Make an app answer refused requests, and its own failures, in OpenAI's shape."""

    @app.exception_handler(RefusalError)
    async def on_refusal(request: Request, refusal: RefusalError) -> Response:
        """Answer a request that a route refuses."""
        return error_response(refusal, _request_id(request))

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        """Answer a request that doesn't fit its route with 400, the first fault and its field."""
        fault = error.errors()[0]
        message, param = describe_fault({**fault, "loc": fault["loc"][1:]})  # the first step is body, query or path
        return error_response(RefusalError(400, "invalid_value", message, param), _request_id(request))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        """Answer a request for an unknown route, or with a wrong method."""
        codes = {404: "unknown_url", 405: "method_not_allowed"}
        message = f"{error.detail}: {request.method} {request.url.path}"
        refusal = RefusalError(error.status_code, codes.get(error.status_code, "invalid_request"), message)
        return error_response(refusal, _request_id(request), error.headers)

    @app.exception_handler(Exception)
    async def on_failure(request: Request, _: Exception) -> Response:
        """Answer 500 for a failure of the trainer, without its message, which may hold content."""
        return error_response(
            RefusalError(500, "server_error", "The trainer failed; its log says why."), _request_id(request)
        )


def _request_id(request: Request) -> str | None:
    request_id: str | None = request.scope.get("state", {}).get("request_id")
    return request_id
