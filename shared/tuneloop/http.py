"""The one way into every route: key, scope, size, errors.

`Api.respond` looks up the caller's key before anything of the request is read. A route that was not registered here has
no scope and is refused, so there is no way round. All refusals leave in OpenAI's error shape.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
    ValidationException,
)
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel

from tuneloop.app import App
from tuneloop.authentication import Authentication
from tuneloop.domain import errors
from tuneloop.domain.access import ApiKey, Scope
from tuneloop.domain.errors import NotFound, TooLarge, TuneloopError
from tuneloop.domain.ids import PATTERN
from tuneloop.observability import log_failure
from tuneloop.store.table import Listing
from tuneloop.wire.errors import INVALID_REQUEST, SERVER_ERROR, error_body

LARGEST_BODY = 4 << 20
DEEPEST_BODY = 100
STATUSES: dict[type[TuneloopError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Stale: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ProviderRefused: HTTPStatus.BAD_REQUEST,
    errors.ProviderUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)
Route = Callable[..., Any]

Name = Annotated[str, Path(pattern=PATTERN)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to give, newest first.")]
UserKey = Annotated[str, Query(min_length=1, max_length=200, description="A user, as calls name him in `user`.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]


class ListOf(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None = None


def listed(page: Listing[Any], view: type[V]) -> ListOf[V]:
    """A store's page as an answer, its rows as their users read them."""
    return ListOf(data=[view.model_validate(row.model_dump()) for row in page.data], next_cursor=page.cursor)


class Api:
    """The routes of one function."""

    def __init__(self, app: App) -> None:
        self.resolver = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=_parsed)
        self.scopes: dict[str, Scope] = {}
        self._authentication = Authentication(app)
        self._key: ApiKey | None = None
        self.resolver.exception_handler(TuneloopError)(self._refusal)
        self.resolver.exception_handler([RequestValidationError, RequestUnsupportedContentType])(self._invalid)
        self.resolver.exception_handler(UnicodeEncodeError)(self._unwritable)
        self.resolver.exception_handler(Exception)(self._failure)
        self.resolver.not_found(self._unknown)

    def route(self, route: str, scope: Scope, status: int = 200) -> Callable[[Route], Route]:
        """Register a route such as `GET /v1/datasets/{dataset}` for keys that carry the scope."""
        method, path = route.split()
        self.scopes[route] = scope
        rule = path.replace("{", "<").replace("}", ">")

        def register(routine: Route) -> Route:
            name, summary = routine.__name__, (routine.__doc__ or "").partition("\n")[0]
            options: dict[str, Any] = {"status_code": status, "openapi_extensions": {"x-scope": scope.value}}
            return self.resolver.route(rule, method, operation_id=name, summary=summary, **options)(routine)

        return register

    @property
    def caller(self) -> ApiKey:
        """The key of the request in hand."""
        if self._key is None:
            raise errors.Unauthenticated("No key was checked for this request.")
        return self._key

    @property
    def tenant(self) -> str:
        """The tenant of the request in hand, by its key and nothing else."""
        return self.caller.tenant

    def respond(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an HTTP API event (payload 2.0)."""
        try:
            self._key = self._admit(event)
        except TuneloopError as error:
            return self._plain(event, self._refusal(error))
        except Exception as error:  # noqa: BLE001 - an entry point: who can't be looked up is told so in our shape
            return self._plain(event, self._failure(error))
        try:
            return self.resolver.resolve(_as_json(event), context)
        finally:
            self._key = None

    def _admit(self, event: dict[str, Any]) -> ApiKey:
        key = self._authentication.key_of(event.get("headers", {}))
        scope = self.scopes.get(event["routeKey"])
        if scope is None:
            raise NotFound("There is no such route.", code="unknown_url")
        key.require(scope)
        if len(event.get("body") or "") > LARGEST_BODY:
            raise TooLarge("A request body may have at most 4 MiB. Upload larger data as a file.")
        return key

    def _plain(self, event: dict[str, Any], response: Response[Any]) -> dict[str, Any]:
        body: Any = response.body
        body["error"]["request_id"] = event["requestContext"].get("requestId")
        headers = {"Content-Type": "application/json"}
        return {"statusCode": response.status_code, "headers": headers, "body": json.dumps(body)}

    def _refusal(self, error: TuneloopError) -> Response[Any]:
        kind = SERVER_ERROR if isinstance(error, errors.ProviderUnavailable) else INVALID_REQUEST
        return self._error(STATUSES[type(error)], error.message, code=error.code, param=error.param, kind=kind)

    def _invalid(self, error: ValidationException) -> Response[Any]:
        fault = error.errors()[0]
        place = ["body"] if fault["type"] == "json_invalid" else [str(part) for part in fault["loc"]]
        param = ".".join(place[1:] if place[:1] in (["body"], ["query"], ["path"]) else place) or "body"
        return self._error(HTTPStatus.UNPROCESSABLE_ENTITY, f"{param}: {fault['msg']}", code=fault["type"], param=param)

    def _unwritable(self, _: UnicodeEncodeError) -> Response[Any]:
        message = "The request holds half of a surrogate pair (such as \\ud800), which is not a character."
        return self._error(HTTPStatus.UNPROCESSABLE_ENTITY, message, code="invalid_unicode", param="body")

    def _failure(self, error: Exception) -> Response[Any]:
        log_failure(error)
        message = "Something went wrong on our side; it is in the function's log under this request id."
        return self._error(HTTPStatus.INTERNAL_SERVER_ERROR, message, code="internal_error", kind=SERVER_ERROR)

    def _unknown(self, _: Exception) -> Response[Any]:
        return self._error(HTTPStatus.NOT_FOUND, "There is no such route.", code="unknown_url")

    def _error(
        self, status: HTTPStatus, message: str, *, code: str, param: str | None = None, kind: str = INVALID_REQUEST
    ) -> Response[Any]:
        current: Any = getattr(self.resolver, "current_event", None)
        request_id = current.request_context.request_id if current else None
        body = error_body(message, code=code, type=kind, param=param, request_id=request_id)
        return Response(status_code=status.value, content_type="application/json", body=body)


def _parsed(body: str) -> Any:
    """A body's JSON; refused where it is nested so deeply that what reads or writes it again would run out of stack."""
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise _too_deep() from error
    if body.count("[") + body.count("{") > DEEPEST_BODY and _is_deep(value):
        raise _too_deep()
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_BODY):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
    return any(isinstance(whole, dict | list) for whole in level)


def _too_deep() -> errors.InvalidInput:
    message = f"The request's body is nested too deeply: lists and objects may stand {DEEPEST_BODY} deep in each other."
    return errors.InvalidInput(message, code="nested_too_deeply", param="body")


def _as_json(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body declared as JSON, the only thing we take: curl declares a form unless told otherwise."""
    return {**event, "headers": {**event.get("headers", {}), "content-type": "application/json"}}
