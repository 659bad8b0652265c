"""The one way into every route: who may pass, and how a refusal reads, for all routes of the table."""

import importlib
import json
from io import StringIO
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from tests.functions import steps
from tests.functions.refusals import IDS, SECRET_SENTENCE, call_route, failing, refused, sent
from tests.functions.routes import ROUTES, ROUTES_WITH_AN_ID, SIGNED, path_of
from tests.world import World, http_event, invoke
from tuneloop.api.router import Api
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope, key_hash
from tuneloop.domain.core.limits import BODY_BYTES
from tuneloop.runtime.entry_point import Function


def scope_of(route: str) -> Scope:
    spec = next(spec for spec in FUNCTIONS if tuple(route.split()) in spec.endpoints)
    scope: Scope = importlib.import_module(f"{spec.package}.handler").handler.api.scopes[route]
    return scope


def test_no_route_answers_without_a_key(world: World) -> None:
    for route in ROUTES:
        refused(call_route(world, route, key=None), 401, "invalid_api_key")


def test_no_route_does_without_a_key_but_the_one_with_signed_calls() -> None:
    apis = [importlib.import_module(f"{spec.package}.handler").handler.api for spec in FUNCTIONS if spec.routes]

    assert {route for api in apis for route in api.unkeyed} == set(SIGNED) == {"POST /v1/webhooks/{provider}"}
    assert not {route for api in apis for route in api.scopes} & set(SIGNED)


@pytest.mark.parametrize("secret", ["tl_unknown", "sk-not-one-of-ours", "tl_", "tl_ü", "tl_ tl_"])
def test_a_key_that_was_never_made_is_refused(secret: str, world: World) -> None:
    refused(call_route(world, "GET /v1/datasets", key=secret), 401, "invalid_api_key")


def test_a_key_under_another_kind_of_authorization_is_refused(world: World) -> None:
    event = http_event("GET /v1/datasets", "/v1/datasets", None, None, {})
    event["headers"]["authorization"] = f"Basic {world.key}"

    assert invoke("collect-examples", event)["statusCode"] == 401


def test_the_word_bearer_may_be_written_in_any_case(world: World) -> None:
    event = http_event("GET /v1/datasets", "/v1/datasets", None, None, {})
    event["headers"]["authorization"] = f"bearer {world.key}"

    assert invoke("collect-examples", event)["statusCode"] == 200


def test_a_revoked_key_is_refused(world: World) -> None:
    secret = world.new_key(Scope.READ)
    key = app.tenants.key(key_hash(secret))
    assert key

    app.tenants.revoke_key(world.tenant, key.id, utc_now())

    refused(call_route(world, "GET /v1/datasets", key=secret), 401, "invalid_api_key")


def test_each_route_asks_for_its_own_scope_and_names_it(world: World) -> None:
    keys = {scope: world.new_key(*(other for other in Scope if other != scope)) for scope in Scope}

    for route in ROUTES:
        scope = scope_of(route)
        message = refused(call_route(world, route, key=keys[scope]), 403, "insufficient_scope")
        assert f"`{scope}`" in message, route


def test_another_tenant_s_things_do_not_exist(live: World) -> None:
    world = live
    steps.settled(world, steps.questions(60))
    steps.registered(world)
    [run] = steps.runs(world)
    ids = IDS | {
        "number": "0",
        "run": run["id"],
        "job": run["id"],
        "export": run["export"],
        "evaluation": evaluated(world, run),
    }
    for name in ("example", "drop"):
        listed = world.call(f"GET /v1/datasets/{{dataset}}/{name}s", f"/v1/datasets/support/{name}s").body["data"]
        ids[name] = listed[0]["id"]
    ids["erasure"] = call_route(world, "DELETE /v1/subjects/{subject}").body["id"]
    ids["file"] = call_route(world, "POST /v1/files").body["id"]
    rival = world.new_key(*Scope, tenant="rival")
    made_by_posting = "POST /v1/datasets/{dataset}/examples"
    erasing = "DELETE /v1/subjects/{subject}"  # of which nobody is told whether there is such a subject

    for route in ROUTES_WITH_AN_ID:
        assert call_route(world, route, ids=ids).status < 500, route
        assert call_route(world, route, ids=ids).status != 404, route
        if route not in (made_by_posting, erasing):
            refused(call_route(world, route, key=rival, ids=ids), 404)
    for route in ("POST /v1/training-runs", "POST /v1/evaluations", "POST /v1/chat/completions", "POST /v1/feedback"):
        refused(call_route(world, route, key=rival, ids=ids), 404)
    assert call_route(world, made_by_posting, key=rival).status == 202
    assert app.datasets.get("rival", "support").examples == 0
    assert call_route(world, erasing, key=rival, ids=ids).body["examples"] == 0
    assert app.datasets.get(world.tenant, "support").examples == 60


def evaluated(world: World, run: dict[str, Any]) -> str:
    body = {"model": "support", "version": 1, "dataset": "support", "export": run["export"]}
    answer = world.call("POST /v1/evaluations", "/v1/evaluations", body)
    assert answer.status == 202, answer.text
    evaluation: str = answer.body["id"]
    return evaluation


def test_an_unknown_route_is_refused_in_the_same_shape(world: World) -> None:
    for spec in FUNCTIONS:
        if spec.routes:
            handler = importlib.import_module(f"{spec.package}.handler").handler
            refused(sent(handler, "GET /v1/nothing", "/v1/nothing", None, world.key), 404, "unknown_url")


def test_a_route_registered_behind_the_api_s_back_is_refused(world: World) -> None:
    api = Api(app)
    opened: list[str] = []
    api.resolver.get("/v1/backdoor")(lambda: opened.append("in"))
    function = Function("backdoor", api)

    refused(sent(function, "GET /v1/backdoor", "/v1/backdoor", None, world.key), 404, "unknown_url")
    refused(sent(function, "GET /v1/backdoor", "/v1/backdoor", None, None), 401, "invalid_api_key")
    assert opened == []


def test_a_body_above_the_limit_is_refused_before_it_is_read(world: World) -> None:
    body = '{"id": "' + "x" * BODY_BYTES + '"}'

    answer = world.call("POST /v1/datasets", "/v1/datasets", body)

    assert "4 MiB" in refused(answer, 413, "too_large")


@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        ("POST /v1/datasets", {"id": "Not A Name"}, "id"),
        ("POST /v1/datasets", {"id": "fine", "colour": "red"}, "colour"),
        ("POST /v1/datasets", {"id": "fine", "max_run_usd": "1e400"}, "max_run_usd"),
        ("POST /v1/datasets", {}, "id"),
        ("POST /v1/datasets", "{not json", "body"),
        ("POST /v1/datasets", "[]", "body"),
        ("POST /v1/datasets", None, "body"),
        ("PATCH /v1/datasets/{dataset}", {"max_run_usd": "1e400"}, "max_run_usd"),
        ("PATCH /v1/datasets/{dataset}", {"revision": 7}, "revision"),
        ("POST /v1/datasets/{dataset}/examples", {"examples": []}, "examples"),
        ("POST /v1/training-runs", {"dataset": "a", "hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        (
            "POST /v1/training-runs",
            '{"dataset": "a", "hyperparameters": {"learning_rate_multiplier": 1e999}}',
            "hyperparameters.learning_rate_multiplier",
        ),
        ("POST /v1/evaluations", {"model": "a", "version": -1}, "version"),
        ("POST /v1/models/{model}/versions", {"provider_model": "m", "parameters": {"stream": True}}, "parameters"),
        ("PUT /v1/models/{model}/deployment", {"candidate": 1, "share": 1.5}, "share"),
        ("POST /v1/chat/completions", {"model": "support", "messages": []}, "messages"),
        ("POST /v1/chat/completions", {"model": "m" * 3000, "messages": [{"role": "user", "content": "a"}]}, "model"),
        ("POST /v1/chat/completions", '{"model": "support", "messages": [{"role": "user"}]}', "messages.0"),
        ("POST /v1/feedback", {"inference_id": "chatcmpl-1", "rating": 5}, "inference_id"),
        ("POST /v1/feedback", {"inference_id": "chatcmpl-1", "rating": 6}, "rating"),
        ("POST /v1/feedback", {"inference_id": "chatcmpl-1"}, "body"),
        ("POST /v1/feedback", {"inference_id": "chatcmpl-1", "correction": 5}, "correction"),
        ("POST /v1/datasets/{dataset}/uploads", {"filename": "a b.csv"}, "filename"),
    ],
)
def test_a_bad_field_is_named(route: str, body: Any, param: str, world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    refused(world.call(route, path_of(route, IDS), body), 422, param=param)


def test_a_bad_id_or_query_is_named(world: World) -> None:
    refused(world.call("GET /v1/datasets/{dataset}", "/v1/datasets/UPPER"), 422, param="dataset")
    refused(world.call("GET /v1/datasets", "/v1/datasets", limit="many"), 422, param="limit")
    refused(world.call("GET /v1/datasets", "/v1/datasets", limit="101"), 422, param="limit")
    assert "limit: is too large a number" in world.call("GET /v1/datasets", "/v1/datasets", limit="9" * 5000).text
    refused(world.call("GET /v1/usage", "/v1/usage", first_day="yesterday"), 422, param="first_day")
    refused(world.call("GET /v1/models/{model}/route", "/v1/models/support/route"), 422, param="user")


def test_a_body_is_json_whatever_its_header_says(world: World) -> None:
    event = http_event("POST /v1/datasets", "/v1/datasets", '{"id": "a"}', world.key, {})
    event["headers"]["content-type"] = "application/x-www-form-urlencoded"

    assert invoke("collect-examples", event)["statusCode"] == 201


def test_an_empty_request_means_its_defaults(world: World) -> None:
    steps.registered(world)
    steps.decide(world, "activate")

    for what in ("deactivate", "activate", "rollback"):
        path = f"/v1/models/support/{what}"
        assert world.call(f"POST /v1/models/{{model}}/{what}", path).status == 200


@pytest.mark.parametrize(
    "body", [{"policy": {"min_quality": 0.5}}, {"the purple heron": 1}, '{"a": 1, "a": 2}'], ids=str
)
def test_a_route_without_a_body_refuses_fields(body: Any, world: World) -> None:
    world.drop("support", steps.questions(2))

    routes = ("POST /v1/datasets/{dataset}/exports", "GET /v1/datasets/{dataset}")
    answers = [world.call(route, path_of(route, IDS), body) for route in routes]

    for answer in answers:
        assert "takes no body" in refused(answer, 422, "extra_forbidden")
        assert "heron" not in answer.text


@pytest.mark.parametrize("body", [None, "", "{}", "null", "[]", "not json"])
def test_a_route_without_a_body_passes_over_what_has_no_fields(body: Any, world: World) -> None:
    world.drop("support", steps.questions(2))

    assert world.call("GET /v1/datasets/{dataset}", "/v1/datasets/support", body).status == 200


def test_what_never_served_is_not_activated_unasked(world: World) -> None:
    steps.registered(world)

    refused(world.call("POST /v1/models/{model}/activate", "/v1/models/support/activate"), 422, param="version")


def test_an_existing_dataset_keeps_its_settings_and_says_so(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "a", "on_drop": "train"})

    assert world.call("POST /v1/datasets", "/v1/datasets", {"id": "a"}).status == 201
    refused(world.call("POST /v1/datasets", "/v1/datasets", {"id": "a", "on_drop": "collect"}), 409)


def test_an_empty_file_is_rejected_and_says_so(world: World) -> None:
    world.drop("support", b"\n\n")

    [drop] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    assert (drop["status"], drop["problems"][0]["code"]) == ("rejected", "empty_file")


def test_half_a_character_is_refused_and_breaks_nothing(world: World) -> None:
    half = '{"model": "support", "user": "\\ud800", "messages": [{"role": "user", "content": "a"}]}'
    steps.registered(world)

    refused(world.call("POST /v1/chat/completions", "/v1/chat/completions", half), 422, "invalid_unicode")


def test_a_cursor_leads_nowhere_but_on(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    for version in (1, 2):
        steps.decide(world, "activate", {"version": version})
    route, path = "GET /v1/models/{model}/history", "/v1/models/support/history"

    first = world.call(route, path, limit="1").body
    second = world.call(route, path, limit="1", cursor=first["next_cursor"]).body

    assert [line["stable"] for line in first["data"] + second["data"]] == [2, 1]
    elsewhere = world.call(
        "GET /v1/models/{model}/versions", "/v1/models/support/versions", cursor=first["next_cursor"]
    )
    refused(elsewhere, 422, param="cursor")
    for forged in ("nonsense", "eyJwayI6IDF9", "W10="):
        refused(world.call(route, path, cursor=forged), 422, param="cursor")


def test_a_failure_of_ours_tells_nothing_of_what_was_said(world: World, log: StringIO) -> None:
    answer = failing(world, RuntimeError(f"could not store: {SECRET_SENTENCE}"))

    refused(answer, 500, "internal_error")
    assert SECRET_SENTENCE not in answer.text
    assert SECRET_SENTENCE not in log.getvalue()
    [line] = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "ERROR"]
    assert (line["error"], line["correlation_id"]) == ("RuntimeError", answer.body["error"]["request_id"])
    assert "refusals.py" in line["frames"][-1]


def test_the_log_says_which_key_was_used_for_what(world: World, log: StringIO) -> None:
    secret = world.new_key(Scope.READ)
    key = app.tenants.key(key_hash(secret))
    assert key

    call_route(world, "GET /v1/datasets", key=secret)
    call_route(world, "POST /v1/datasets", key=secret)
    call_route(world, "GET /v1/datasets", key=None)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = [(line.get("key"), line["route"], line["status"]) for line in lines if line["message"] == "answered"]
    assert told == [
        (key.id, "GET /v1/datasets", 200),
        (key.id, "POST /v1/datasets", 403),
        (None, "GET /v1/datasets", 401),
    ]
    assert secret not in log.getvalue()
