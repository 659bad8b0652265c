"""Refusals: every answer with a status of 400 or above, in OpenAI's shape."""

from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tuneloop.openai_wire.errors import SERVER_ERROR, describe_fault, error_body, first_fault


class RefusalError(Exception):
    """A request that is turned down: the status of the answer, and what its error body says."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


def not_found(what: str, identifier: str) -> RefusalError:
    """Refuse because there is no such thing, e.g. `not_found("file", "file-1")`."""
    return RefusalError(404, f"{what.replace(' ', '_')}_not_found", f"No such {what}: {identifier}", "id")


def invalid(error: ValidationError) -> RefusalError:
    """Refuse a body that breaks the shape it must have."""
    message, param = first_fault(error)
    return RefusalError(400, "invalid_value", message, param)


def error_response(
    refusal: RefusalError, request_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Write a refusal as an answer."""
    kind = SERVER_ERROR if refusal.status >= 500 else "invalid_request_error"
    body = error_body(str(refusal), code=refusal.code, type=kind, param=refusal.param, request_id=request_id)
    return Response(orjson.dumps(body), refusal.status, headers, "application/json")


def install_error_handlers(app: FastAPI) -> None:
    """Let an app answer whatever it refuses, and its own failures, in OpenAI's shape."""

    @app.exception_handler(RefusalError)
    async def on_refusal(request: Request, refusal: RefusalError) -> Response:
        """A refusal of our own."""
        return error_response(refusal, _request_id(request))

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        """A request that doesn't fit its route: 400, with the first fault and its field."""
        fault = error.errors()[0]
        message, param = describe_fault({**fault, "loc": fault["loc"][1:]})  # the first step says body, query or path
        return error_response(RefusalError(400, "invalid_value", message, param), _request_id(request))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        """No such route, or not by this method."""
        codes = {404: "unknown_url", 405: "method_not_allowed"}
        message = f"{error.detail}: {request.method} {request.url.path}"
        refusal = RefusalError(error.status_code, codes.get(error.status_code, "invalid_request"), message)
        return error_response(refusal, _request_id(request), error.headers)

    @app.exception_handler(Exception)
    async def on_failure(request: Request, _: Exception) -> Response:
        """A failure of the trainer's own, without its words."""
        return error_response(
            RefusalError(500, "server_error", "The trainer failed; its log says why."), _request_id(request)
        )


def _request_id(request: Request) -> str | None:
    request_id: str | None = request.scope.get("state", {}).get("request_id")
    return request_id
