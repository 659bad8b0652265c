"""OpenAI's error shape, which every refusal of our API and of the trainer takes.

OpenAI's clients read `type`, `code`, `message` and `param` out of `error`; `request_id` is ours, for users to quote.
Nothing here repeats what a caller sent: prompts and answers never stand in an error body.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"


class ErrorDetail(BaseModel):
    """What was wrong (`message`), in a stable word (`code`), and at which field (`param`)."""

    model_config = ConfigDict(extra="allow")

    type: str | None = None
    code: str | None = None
    message: str = ""
    param: str | None = None
    request_id: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer with a status of 400 or above."""

    error: ErrorDetail


def error_body(
    message: str,
    *,
    code: str,
    type: str = INVALID_REQUEST,  # noqa: A002 - OpenAI's own word for it
    param: str | None = None,
    request_id: str | None = None,
) -> dict[str, dict[str, str | None]]:
    """Build the error body as a JSON-ready dict."""
    return {"error": {"type": type, "code": code, "message": message, "param": param, "request_id": request_id}}


def first_fault(invalid: ValidationError) -> tuple[str, str | None]:
    """The first fault of a request as a sentence, and its field, e.g. `("model: Field required", "model")`."""
    return describe_fault(invalid.errors(include_url=False, include_context=False, include_input=False)[0])


def describe_fault(fault: Mapping[str, Any]) -> tuple[str, str | None]:
    """One of pydantic's errors as a sentence that never holds the value, and the field's path (None for the whole).

    For the trainer, which is a server of its own; `tuneloop.api.validation_errors` has our API's sentences.
    """
    message = str(fault["msg"]).removeprefix("Value error, ")
    param = ".".join(str(step) for step in fault["loc"]) or None
    return (f"{param}: {message}" if param else message), param
