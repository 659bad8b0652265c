"""Requests that a route takes and requests that it refuses, and what every refusal looks like."""

import json
from typing import Any

from tests.functions.routes import BODIES, FORMS, QUERIES, path_of
from tests.world import Answer, Context, World, http_event
from tuneloop.api.router import Api
from tuneloop.app import app
from tuneloop.domain.core.access import Scope
from tuneloop.runtime.entry_point import Function

SECRET_SENTENCE = "the purple heron dances at noon"
IDS = {
    "dataset": "support",
    "model": "support",
    "export": "export-1",
    "run": "run-1",
    "evaluation": "eval-1",
    "example": "0" * 64,
    "subject": "user-1",
    "erasure": "erasure-1",
    "drop": "drop-1",
    "file": "file-1",
    "job": "run-1",
}


def call_route(world: World, route: str, key: str | None = "", ids: dict[str, str] | None = None) -> Answer:
    body = FORMS.get(route, BODIES.get(route))
    return world.call(route, path_of(route, ids or IDS), body, key=key, **QUERIES.get(route, {}))


def refused(answer: Answer, status: int, code: str | None = None, param: str | None = None) -> str:
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.body["error"]
    assert answer.body.keys() == {"error"}
    assert error.keys() == {"type", "code", "message", "param", "request_id"}
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert error["request_id"]
    assert error["message"]
    assert code is None or error["code"] == code
    assert param is None or error["param"] == param
    message: str = error["message"]
    return message


def sent(function: Any, route: str, path: str, body: Any, secret: str | None, **changes: Any) -> Answer:
    event = http_event(route, path, body, secret, {})
    answer = function({**event, **changes}, Context())
    assert json.loads(answer["body"])["error"]["request_id"] == event["requestContext"]["requestId"]
    return Answer(answer["statusCode"], answer["body"], answer["headers"])


def failing(world: World, error: Exception) -> Answer:
    """What a route answers whose routine fails."""
    api = Api(app)

    @api.route("POST /v1/fails", Scope.READ)
    def fails() -> None:
        raise error

    return sent(Function("fails", api), "POST /v1/fails", "/v1/fails", SECRET_SENTENCE, world.key)
