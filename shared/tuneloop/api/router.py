"""The one way into every route: key, scope, body, deadline, errors.

`Api.respond` looks up the caller's key before anything of the request is read; webhook routes take a signature instead
of a key. A route that was not registered here has no scope and is refused, as is a path that is not the route's own, so
there is no way round. All refusals leave in OpenAI's error shape. Calls to AWS after the deadline are refused too, so
that the caller gets an answer before the gateway times out.
"""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from re import Match
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
    ValidationException,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected
from pydantic import BaseModel

from tuneloop.api import multipart
from tuneloop.api.authentication import Authentication
from tuneloop.api.multipart import Form
from tuneloop.api.requests import (
    GREEDY,
    Route,
    TextKind,
    arguments,
    check_kinds,
    family_or_name,
    is_body,
    kinds_of,
    parse_json,
    path_with,
    query_of,
    read_body,
    texts_in,
)
from tuneloop.api.validation_errors import LONGEST_PARAM, explain
from tuneloop.app import App, utc_now
from tuneloop.domain.core import errors
from tuneloop.domain.core.access import ApiKey, Scope
from tuneloop.domain.core.errors import NotFound, TuneloopError
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.redaction import safe_name
from tuneloop.observability import log_failure, logger
from tuneloop.openai_wire.errors import INVALID_REQUEST, SERVER_ERROR, error_body
from tuneloop.store.dynamodb import Listing, refusals

# Every answer has 25 s. One second less, as a call to AWS may pause for a second before it gives up.
ANSWER_WITHIN_S = 24.0
# After this time an HTTP API answers by itself, 503 `{"message":"Service Unavailable"}` (AWS, 2026-11).
GATEWAY_WAITS_S = 30.0
SUBJECTS = "/v1/subjects/"
# Not every gateway brings every text to the route, a line break for one: "not found" must not be read as "erased".
NOT_ERASED = 'Nothing was erased: `POST /v1/erasures` with {"subject": …} takes a subject that no path can carry.'
STATUSES: dict[type[TuneloopError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidFile: HTTPStatus.BAD_REQUEST,  # OpenAI's own status, as for all that only its clients ask for
    errors.NotSupported: HTTPStatus.BAD_REQUEST,
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotChecked: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Stale: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Corrupt: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ProviderRefused: HTTPStatus.BAD_REQUEST,
    errors.ProviderUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.OutOfTime: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
}
# AWS's error codes for "not now", without `Exception`: those that botocore's standard retries try again for (read
# 2026-11), and DynamoDB's for the actions of a transaction.
TRANSIENT_CODES = frozenset(
    {"Throttling", "ThrottlingError", "Throttled", "RequestThrottled", "RequestLimitExceeded", "TooManyRequests"}
    | {"ProvisionedThroughputExceeded", "LimitExceeded", "SlowDown", "TransactionConflict", "TransactionInProgress"}
    | {"BandwidthLimitExceeded", "PriorRequestNotComplete", "RequestTimeout"}
)
T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)

Name = Annotated[str, Path(pattern=PATTERN)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to give, newest first.")]
UserKey = Annotated[str, Query(min_length=1, max_length=200, description="A user, as calls name him in `user`.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]

# As long as Stripe's, longer than a UUID; printable ASCII, the only text that headers carry unchanged.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]+$",
        description="A call with a key that came before is given what that call was given, for 30 days.",
    ),
]
RetryCount = Annotated[
    str | None,
    Header(
        alias="X-Stainless-Retry-Count",
        description="Sent by OpenAI's SDKs: above 0 the call is a repeat, and is given what the first one was given.",
    ),
]


class ListOf(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None = None


def view(kind: type[V], thing: BaseModel, **more: Any) -> V:
    """What users read of a stored thing: the fields of `kind` that it has, and `more` beside or in place of them."""
    return kind.model_validate(thing.model_dump() | more)


def list_of(page: Listing[M], view_of: Callable[[M], T]) -> ListOf[T]:
    """A store's page as an answer, each row in the view that `view_of` gives."""
    return ListOf(data=[view_of(row) for row in page.data], next_cursor=page.cursor)


def list_view(page: Listing[Any], kind: type[V]) -> ListOf[V]:
    """A store's page as an answer, each row in the view `kind`, by `view`."""
    return list_of(page, lambda row: view(kind, row))


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver for paths whose texts are percent-encoded, as its patterns know few letters beyond ASCII."""

    def _convert_matches_into_route_keys(self, match: Match[str]) -> dict[str, str]:
        return {name: unquote(text) for name, text in match.groupdict().items()}


class Api:
    """The routes of one function."""

    def __init__(self, app: App) -> None:
        self.resolver = _Resolver(enable_validation=True, json_body_deserializer=parse_json)
        self.scopes: dict[str, Scope] = {}
        self.queries: dict[str, frozenset[str]] = {}
        self.kinds: dict[str, dict[str, TextKind]] = {}  # what numbers and dates in a route's path and query look like
        self.families: dict[str, str] = {}
        self.bodies: set[str] = set()  # the routes that take one
        self.unkeyed: set[str] = set()  # the routes that take a signature in place of a key
        self.forms: set[str] = set()  # the routes that take a form in place of a body
        self._app = app
        self._authentication = Authentication(app)
        self._key: ApiKey | None = None
        self._form: Form = {}
        self.resolver.exception_handler(TuneloopError)(self._refusal)
        self.resolver.exception_handler([RequestValidationError, RequestUnsupportedContentType])(self._invalid)
        self.resolver.exception_handler([HTTPClientError, NotConnected])(self._timed_out)
        self.resolver.exception_handler(ClientError)(self._throttled)
        self.resolver.exception_handler(Exception)(self._failure)
        self.resolver.not_found(self._unknown_route)

    def route(
        self,
        route: str,
        scope: Scope,
        status: int = 200,
        *,
        form: dict[str, Any] | None = None,
        family: str | None = None,
        **openapi: Any,
    ) -> Callable[[Route], Route]:
        """Register a route such as `GET /v1/datasets/{dataset}` for keys that carry the scope.

        A route may take a `form` of a JSON schema in place of a body. `family` declares query names such as
        `metadata[…]`. `openapi` holds Powertools' own options, for what the signature of the routine doesn't tell.
        """
        self.scopes[route] = scope
        if family:
            self.families[route] = family

        def register(routine: Route) -> Route:
            """Note what the route takes, and let it answer."""
            self.queries[route], self.kinds[route] = query_of(routine, route), kinds_of(routine, route)
            self.bodies.update([route] if any(map(is_body, arguments(routine))) else [])
            extensions: dict[str, Any] = {"x-scope": scope.value}
            if form:
                self.forms.add(route)
                extensions["requestBody"] = {"required": True, "content": {multipart.KIND: {"schema": form}}}
            return self._add(routine, route, status_code=status, openapi_extensions=extensions, **openapi)

        return register

    def webhook(self, route: str, status: int) -> Callable[[Route], Route]:
        """Register a route without an API key, whose routine checks the request's signature over the raw body."""
        self.unkeyed.add(route)
        extensions = {"x-scope": "signature", "security": []}
        return lambda routine: self._add(routine, route, status_code=status, openapi_extensions=extensions)

    def _add(self, routine: Route, route: str, **options: Any) -> Route:
        method, path = route.split()
        name, summary = routine.__name__, (routine.__doc__ or "").partition("\n")[0]
        rule = path.replace("{", "<").replace("}", ">")
        return self.resolver.route(rule, method, operation_id=name, summary=summary, **options)(routine)

    @property
    def caller(self) -> ApiKey:
        """The API key of the current request."""
        if self._key is None:
            raise errors.Unauthenticated("No key was checked for this request.")
        return self._key

    @property
    def tenant(self) -> str:
        """The tenant of the current request, by its API key and nothing else."""
        return self.caller.tenant

    @property
    def form(self) -> Form:
        """The form of the current request; InvalidInput where it has none."""
        if not self._form:
            raise errors.InvalidInput(f"Send this as a form: `Content-Type: {multipart.KIND}`.", param="content-type")
        return self._form

    def family_of(self, route: str) -> dict[str, str]:
        """The current request's values of its route's family of names, `{"key": …}` for `metadata[key]=…`."""
        query = self.resolver.current_event.query_string_parameters or {}
        start = f"{self.families[route]}["
        return {name[len(start) : -1]: value for name, value in query.items() if name.startswith(start)}

    def respond(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an HTTP API event (payload 2.0)."""
        with self._app.answer_within(ANSWER_WITHIN_S - seconds_waited(event, utc_now())):
            try:
                if event["routeKey"] in self.unkeyed:
                    return self.resolver.resolve(_with_route(event), context)
                self._key = self._identify(event)
                return self.resolver.resolve(self._admit(_with_route(event), self._key), context)
            except TuneloopError as error:
                return self._gateway_answer(event, self._refusal(error))
            except Exception as error:  # noqa: BLE001 - an entry point: what breaks before a route is told in our shape
                return self._gateway_answer(event, self._failure(error))
            finally:
                self._key = None

    def _identify(self, event: dict[str, Any]) -> ApiKey:
        """The caller's key; NotChecked where it can't be looked up: no other error may reach an unknown caller."""
        try:
            return self._authentication.key_of(event.get("headers", {}))
        except TuneloopError:
            raise
        except Exception as error:
            log_failure(error)
            raise errors.NotChecked("Your API key could not be looked up just now. Try again later.") from error

    def _with_read_body(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event with a JSON body; a form, where the route takes one, is read into `form` and leaves no body."""
        self._form = {}
        if event["routeKey"] in self.forms and multipart.is_form(event):
            self._form = multipart.read_form(event)
            event = {**event, "body": None, "isBase64Encoded": False}
        return _as_json(event)

    def _admit(self, event: dict[str, Any], key: ApiKey) -> dict[str, Any]:
        """The event as its route reads it; an error where the key may not call the route, or a parameter is unknown."""
        logger.append_keys(key=key.id)  # on every line until the next invocation, to see what a leaked key was used for
        if (scope := self.scopes.get(event["routeKey"])) is None:
            raise _no_route()
        key.require(scope)
        route = event["routeKey"]
        given = {family_or_name(name, self.families.get(route)) for name in event.get("queryStringParameters") or ()}
        known = self.queries[route] | ({f"{self.families[route]}[…]"} if route in self.families else set())
        if unknown := sorted(given - known):
            raise _no_parameter(unknown[0], known)
        admitted = self._with_read_body(event)
        self._refuse_unread_body(admitted)
        texts = event.get("queryStringParameters") or {}
        check_kinds(self.kinds[route], texts | (texts_in(route, event["rawPath"]) or {}))
        return admitted

    def _refuse_unread_body(self, event: dict[str, Any]) -> None:
        """Raise InvalidInput for a body with fields where the route reads none."""
        if event["routeKey"] not in self.bodies and (name := _field_in(event["body"])) is not None:
            param = safe_name(name)[:LONGEST_PARAM]
            message = f"{param}: is not known here; this route takes no body."
            raise errors.InvalidInput(message, param=param, code="extra_forbidden")

    def _gateway_answer(self, event: dict[str, Any], response: Response[Any]) -> dict[str, Any]:
        body: Any = response.body
        body["error"]["request_id"] = event["requestContext"].get("requestId")
        headers = {"Content-Type": "application/json"}
        return {"statusCode": response.status_code, "headers": headers, "body": json.dumps(body)}

    def _refusal(self, error: TuneloopError) -> Response[Any]:
        status = STATUSES[type(error)]
        kind = SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else INVALID_REQUEST
        return self._error(status, error.message, code=error.code, param=error.param, kind=kind)

    def _invalid(self, error: ValidationException) -> Response[Any]:
        code, event = error.errors()[0]["type"], self.resolver.current_event
        param, words = explain(error.errors(), event.json_body if event.body and code != "json_invalid" else None)
        return self._error(HTTPStatus.UNPROCESSABLE_ENTITY, f"{param}: {words}", code=code, param=param)

    def _timed_out(self, error: Exception) -> Response[Any]:
        log_failure(error)
        return self._refusal(errors.OutOfTime("A service that this needs did not answer in time. Try again later."))

    def _throttled(self, error: ClientError) -> Response[Any]:
        if not _is_transient(error):
            return self._failure(error)
        log_failure(error)
        return self._refusal(errors.Busy("A service that this needs can't take more just now. Try again in a moment."))

    def _failure(self, error: Exception) -> Response[Any]:
        log_failure(error)
        message = "Something went wrong on our side; it is in the function's log under this request id."
        return self._error(HTTPStatus.INTERNAL_SERVER_ERROR, message, code="internal_error", kind=SERVER_ERROR)

    def _unknown_route(self, _: Exception) -> Response[Any]:
        return self._refusal(_no_route())

    def _error(
        self, status: HTTPStatus, message: str, *, code: str, param: str | None = None, kind: str = INVALID_REQUEST
    ) -> Response[Any]:
        current: Any = getattr(self.resolver, "current_event", None)
        request_id = current.request_context.request_id if current else None
        body = error_body(message, code=code, type=kind, param=param, request_id=request_id)
        return Response(status_code=status.value, content_type="application/json", body=body)


def _is_transient(error: ClientError) -> bool:
    """Whether AWS's refusal may pass: too many calls, rivals that kept a row busy, or an error on its own side."""
    details: Any = error.response
    status = details.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(status >= HTTPStatus.INTERNAL_SERVER_ERROR or TRANSIENT_CODES & refusals(error))


def _no_route(path: str = "") -> NotFound:
    message = "There is no such route: compare method and path with docs/openapi.json."
    if path.startswith(SUBJECTS):
        message = f"{message} {NOT_ERASED}"
    return NotFound(message, code="unknown_url")


def _no_parameter(name: str, known: frozenset[str]) -> errors.InvalidInput:
    taken = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
    param = safe_name(name)[:LONGEST_PARAM]
    return errors.InvalidInput(f"{param}: no parameter of this route; {taken}.", param=param, code="unknown_parameter")


def _field_in(body: str | None) -> str | None:
    """The first field of a body that is a JSON object with fields; None for any other body."""
    try:
        value = parse_json(body or "{}")
    except json.JSONDecodeError:
        return None
    return next(iter(value), None) if isinstance(value, dict) else None


def seconds_waited(event: dict[str, Any], now: datetime) -> float:
    """Seconds since the gateway took a request, the start of a cold function included; 0 where that can't be known.

    It is 0 too for a request so old that its caller can't be waiting any more, such as a recorded event.
    """
    taken_at_ms = event["requestContext"].get("timeEpoch")
    waited = now.timestamp() - taken_at_ms / 1000 if isinstance(taken_at_ms, int) else 0.0
    return waited if 0 < waited < GATEWAY_WAITS_S else 0.0


def _with_route(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its route as registered and its path percent-encoded; NotFound for a path of another route."""
    if (texts := texts_in(event["routeKey"], event["rawPath"])) is None:
        raise _no_route(event["rawPath"])
    route = event["routeKey"].replace(GREEDY, "}")
    return {**event, "routeKey": route, "rawPath": path_with(route, texts)}


def _as_json(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body declared as JSON, whatever it was declared as: curl's default is a form."""
    headers = {**event.get("headers", {}), "content-type": "application/json"}
    return {**event, "headers": headers, "body": read_body(event), "isBase64Encoded": False}
