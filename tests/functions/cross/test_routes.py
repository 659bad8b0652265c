"""Every route of the OpenAPI document: who may pass, and what a refusal looks like.

A route that is added tomorrow is tested tomorrow; see `openapi_document.py` for what has to be written for it.
"""

import time
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from tests.functions.openapi_document import DOCUMENT, OPERATIONS, Operation
from tests.functions.refusals import refused
from tests.functions.routes import BODIES, ROUTES, SIGNED, path_of
from tests.world import Answer, World, http_event, invoke
from tuneloop.api.authentication import CACHED_S
from tuneloop.api.router import STATUSES
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope, key_hash

IDS = dict.fromkeys({name for operation in OPERATIONS for name in operation.names}, "nobody-s")
HEADERS = {
    "missing": None,
    "empty": "",
    "blank": "   ",
    "a kind alone": "Bearer",
    "a kind and a blank": "Bearer ",
    "another kind": "Basic {}",
    "no kind": "{}",
    "another prefix": "Bearer sk-{}",
    "twice": "Bearer {0}, Bearer {0}",
    "not ASCII": "Bearer {}ü",
    "half a character": "Bearer {}\ud800",
    "ten thousand characters": "Bearer {}" + "x" * 10_000,
    "unknown": "Bearer tl_unknown",
}


def with_header(operation: Operation, header: str | None) -> Answer:
    """The answer to a request that would be good but for its Authorization header."""
    spec = next(spec for spec in FUNCTIONS if tuple(operation.route.split()) in spec.endpoints)
    event = http_event(operation.route, path_of(operation.route, IDS), BODIES.get(operation.route), None, {})
    if header is not None:
        event["headers"]["authorization"] = header
    answer = invoke(spec.name, event)
    return Answer(answer["statusCode"], answer["body"], answer["headers"])


def test_the_document_has_every_route_of_the_table() -> None:
    described = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert {operation.route for operation in OPERATIONS} == set(ROUTES)
    assert described - set(ROUTES) == set(SIGNED)


def test_every_route_that_takes_a_body_has_one_that_fits_it() -> None:
    assert {operation.route for operation in OPERATIONS if operation.body} == set(BODIES)


def test_every_route_says_which_refusals_it_has_and_that_it_takes_a_key() -> None:
    statuses = {str(status.value) for status in STATUSES.values()} | {"429", "500"}

    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            told = {status: response for status, response in operation["responses"].items() if status[0] in "45"}
            assert set(told) == statuses
            assert {response["$ref"] for response in told.values()} == {
                f"#/components/responses/{status}" for status in statuses
            }
            assert operation["responses"].keys() & {"200", "201", "202"}
    assert DOCUMENT["components"]["responses"].keys() == statuses
    assert DOCUMENT["security"] == [{"apiKey": []}]
    assert DOCUMENT["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_nobody_passes_without_a_good_key(header: str | None, world: World) -> None:
    for operation in OPERATIONS:
        answer = with_header(operation, header and header.format(world.key))

        refused(answer, 401, "invalid_api_key")
        assert world.key not in answer.text


def test_a_revoked_key_is_refused_within_thirty_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    secret = world.new_key(*Scope)
    key = app.tenants.key(key_hash(secret))
    assert key

    def statuses() -> set[int]:
        return {operation.send(world, IDS, secret).status for operation in OPERATIONS}

    assert 401 not in statuses()
    app.tenants.revoke_key(world.tenant, key.id, utc_now())
    clock[0] += CACHED_S - 0.01
    assert 401 not in statuses()
    clock[0] += 0.02
    assert statuses() == {401}
    assert CACHED_S <= 30


@pytest.mark.parametrize("scope", Scope)
def test_a_route_asks_for_its_scope_and_for_no_other(scope: Scope, world: World) -> None:
    only, all_others = world.new_key(scope), world.new_key(*(other for other in Scope if other != scope))

    for operation in OPERATIONS:
        lacking, having = (all_others, only) if operation.scope == scope else (only, all_others)
        assert f"`{operation.scope}`" in refused(operation.send(world, IDS, lacking), 403, "insufficient_scope")
        assert operation.send(world, IDS, having).status not in (401, 403), operation.route


def unknown(method: str, path: str, secret: str | None, **changes: Any) -> Answer:
    """The answer to what the gateway found no route for."""
    event = http_event(f"{method} {path}", path, None, secret, {})
    answer = invoke("complete-chat", {**event, "routeKey": "$default", **changes})
    return Answer(answer["statusCode"], answer["body"], answer["headers"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/nothing"),
        ("POST", "/v1/files"),
        ("DELETE", "/v1/datasets"),
        ("GET", "/v1/models/"),
        ("GET", "//v1/models"),
        ("GET", "/v1//models"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("OPTIONS", "/v1/models"),
        ("GET", "/v1/" + "x" * 9000),
        ("GET", "/v1/models/a%2Fb/route"),
    ],
)
def test_what_no_route_matches_is_refused_in_our_shape(method: str, path: str, world: World) -> None:
    refused(unknown(method, path, world.key), 404, "unknown_url")
    refused(unknown(method, path, None), 401, "invalid_api_key")


def test_a_path_that_the_gateway_misrouted_is_not_answered_by_that_route(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    event = http_event("GET /v1/datasets/{dataset}", "/v1/datasets/support/drops", None, world.key, {})

    answer = invoke("collect-examples", event)

    refused(Answer(answer["statusCode"], answer["body"], answer["headers"]), 404, "unknown_url")


def test_a_function_without_routes_answers_no_call(world: World) -> None:
    without = [spec.name for spec in FUNCTIONS if not spec.routes]
    assert without
    for name in without:
        with pytest.raises(Exception, match="ValueError"):
            invoke(name, http_event("GET /v1/models", "/v1/models", None, world.key, {}))
