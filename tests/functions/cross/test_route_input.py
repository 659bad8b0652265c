"""Every route of the OpenAPI document with what it must not take: a refusal that names the field, and nothing else."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from tests.functions.openapi_document import OPERATIONS, Operation, Place, wrong_fields
from tests.functions.refusals import refused
from tests.functions.routes import BODIES, FREE_NAMES, QUERIES, path_of
from tests.world import Answer, World, http_event, invoke
from tuneloop.domain.core.limits import BODY_BYTES

NAMES = {name for operation in OPERATIONS for name in operation.names}
IDS = dict.fromkeys(NAMES, "support")
WITH_BODY = [operation for operation in OPERATIONS if operation.body]
BAD_NAMES = (
    *("support\n", "support%0A", "support%00", "supp%6Frt\n", "support%20", "%FF", "\u0131", "UPPER", "a_b", "-a"),
    *("a" * 64, "ü", "a.b", "..", "%00", "a%20b", "a#b", "a'b", "1 OR 1=1", "\x00", " "),
)
BAD_QUERY: dict[str, list[str]] = {
    "integer": [
        *("many", "1.5", "", "1e3", "9" * 5000, "1_0", " 10", "10 ", "10\n", "+10", "010", "-0", "0x10", "1.0", "true"),
        *("\uff11\uff10", "\u0661", "None"),
    ],
    "date": ["yesterday", "2026-13-01", "1764547200", "20261201", "2026-12-01T00:00:00", "2026-12-1", "2026-12-01\n"],
    "number": ["much", "nan", "inf", "-0", "0_1", "+0.5", ".5", "1.", " 0.5", "0.5 ", "1e-1", "\uff10.5", "true"],
    "boolean": ["maybe", "2"],
}


def sent(world: World, operation: Operation, body: str | bytes, **headers: str) -> Answer:
    """The answer to a body as it is; bytes travel as the gateway sends what is no text."""
    spec = next(spec for spec in FUNCTIONS if tuple(operation.route.split()) in spec.endpoints)
    text = body if isinstance(body, str) else b64encode(body).decode()
    event = http_event(operation.route, path_of(operation.route, IDS), text, world.key, {})
    event["isBase64Encoded"] = isinstance(body, bytes)
    event["headers"] |= headers
    answer = invoke(spec.name, event)
    return Answer(answer["statusCode"], answer["body"], answer["headers"])


def named(place: Place) -> str:
    return ".".join(str(step) for step in place)


FEEDBACK = "POST /v1/feedback"
READ_LATER = {"messages", "tools", "functions"}  # with the answer's own id, as an example: tried by test_line_verdicts


def is_absent(body: Any, place: Place) -> bool:
    """Whether a field is null in an example, where that says nothing."""
    for step in place:
        body = body[step]
    return body is None and place[0] == "examples"


FIELDS = [
    (operation, place, body)
    for operation in WITH_BODY
    for place, body in wrong_fields(operation)
    if not is_absent(body, place) and not (operation.route == FEEDBACK and place[0] in READ_LATER)
]


def test_each_field_of_each_body_may_have_its_own_type_and_no_other(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    for operation, place, body in FIELDS:
        answer = world.call(operation.route, path_of(operation.route, IDS), body)
        refused(answer, 422)
        told = answer.body["error"]["param"].replace("[", ".").replace("]", "")
        assert (told + ".").startswith(named(place) + "."), (operation.route, place, answer.text)
    assert {operation.route for operation, *_ in FIELDS} == {operation.route for operation in WITH_BODY}


NO_BODIES: dict[str, tuple[str | bytes, str]] = {
    "not JSON": ("{not json", "json_invalid"),
    "cut off": ('{"id": ', "json_invalid"),
    "two of them": ("{} {}", "json_invalid"),
    "invalid UTF-8": (b'{"id": "\xff\xfe"}', "invalid_unicode"),
    "a half character": ('{"id": "\\ud800"}', "invalid_unicode"),
    "a half character in a name": ('{"\\udfff": 1}', "invalid_unicode"),
    "a half character as it is": ('{"id": "\ud800"}', "invalid_unicode"),
    "depth 100": ('{"id": ' + "[" * 99 + "]" * 99 + "}", "nested_too_deeply"),
    "depth 100,000": ("[" * 100_000, "nested_too_deeply"),
    "no number": ('{"id": NaN}', "invalid_number"),
    "a number beyond numbers": ('{"id": 1e999}', "invalid_number"),
    "a number of 5,000 digits": ('{"id": ' + "9" * 5000 + "}", "invalid_number"),
}


@pytest.mark.parametrize(("body", "code"), NO_BODIES.values(), ids=NO_BODIES)
def test_what_is_no_usable_json_is_refused_by_every_route(body: str | bytes, code: str, world: World) -> None:
    for operation in WITH_BODY:
        refused(sent(world, operation, body), 422, code)


def test_bad_json_is_said_with_its_place(world: World) -> None:
    answer = world.call("POST /v1/datasets", "/v1/datasets", None)
    assert "body: is required" in answer.text

    cut = sent(
        world, next(operation for operation in WITH_BODY if operation.route == "POST /v1/datasets"), '{"id": "a",}'
    )

    assert cut.body["error"]["message"].startswith("body: not valid JSON: ")
    assert "at character 12" in cut.body["error"]["message"]


@pytest.mark.parametrize("name", ["from", "naïve words, a secret"])
def test_a_parameter_that_a_route_does_not_take_is_refused_by_it(name: str, world: World) -> None:
    for operation in OPERATIONS:
        path = path_of(operation.route, IDS)

        answer = world.call(operation.route, path, {} if operation.body else None, **{name: "1"})

        refused(answer, 422, "unknown_parameter")
        assert "secret" not in answer.text


@pytest.mark.parametrize("body", ["[]", '"text"', "17", "true", "null", "", b""])
def test_a_body_is_an_object(body: str | bytes, world: World) -> None:
    for operation in WITH_BODY:
        if operation.needs_body or body not in ("null", "", b""):
            refused(sent(world, operation, body), 422)


OVER = BODY_BYTES + 1
TOO_LARGE: dict[str, Callable[[], str | bytes]] = {
    "in bytes": lambda: '"' + "x" * (OVER - 2) + '"',
    "in bytes, not in characters": lambda: '"' + "ü" * (OVER // 2) + '"',
    "in bytes that came as base64": lambda: b'"' + b"x" * (OVER - 2) + b'"',
}


@pytest.mark.parametrize("body", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_body_above_the_limit_is_refused_by_every_route(body: Callable[[], str | bytes], world: World) -> None:
    for operation in OPERATIONS:
        refused(sent(world, operation, body()), 413, "too_large", "body")


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_body_at_the_limit_is_read(kind: type, world: World) -> None:
    text = '"' + "x" * (BODY_BYTES - 2) + '"'

    for operation in WITH_BODY:
        assert sent(world, operation, text if kind is str else text.encode()).status == 422


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "nonsense"])
def test_a_packed_body_is_not_unpacked(encoding: str, world: World) -> None:
    for operation in WITH_BODY:
        answer = sent(world, operation, b"\x1f\x8b\x08\x00", **{"content-encoding": encoding})
        refused(answer, 422, "unsupported_encoding", "content-encoding")


def test_a_body_that_says_that_it_is_not_packed_is_read(world: World) -> None:
    create = next(operation for operation in OPERATIONS if operation.route == "POST /v1/datasets")

    assert sent(world, create, '{"id": "a"}', **{"content-encoding": "identity"}).status == 201
    assert sent(world, create, b'{"id": "b"}').status == 201


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_can_be_none_is_refused(name: str, world: World) -> None:
    for operation in OPERATIONS:
        for wrong in set(operation.names) - FREE_NAMES:
            answer = operation.send(world, {**IDS, wrong: name})
            refused(answer, answer.status if answer.status == 404 else 422)


def test_a_query_of_the_wrong_kind_is_refused_by_its_name(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    tried = set()

    for operation in OPERATIONS:
        for name, schema in operation.query.items():
            for value in wrong_queries(schema):
                query = {**QUERIES.get(operation.route, {}), name: value}
                answer = world.call(operation.route, path_of(operation.route, IDS), **query)
                refused(answer, 422, param=name)
                tried.add(name)
    assert tried == {name for operation in OPERATIONS for name in operation.query}


def wrong_queries(schema: Any) -> list[str]:
    """Texts that a query's value must not be."""
    found: list[str] = []
    for part in schema.get("anyOf", [schema]):
        found += BAD_QUERY.get(part.get("format") or part.get("type"), [])
        found += [str(part["maximum"] + 1)] if "maximum" in part else []
        found += [str(part["minimum"] - 1)] if "minimum" in part else []
        found += ["x" * (part["maxLength"] + 1)] if "maxLength" in part else []
        found += [""] if part.get("minLength") else []
        found += ["NOT A NAME"] if "pattern" in part else []
        found += ["nonsense"] if "enum" in part else []
    return found


@pytest.mark.parametrize(("first", "last"), [("2026-11-02", "2026-11-01"), ("2020-01-01", "2026-01-01")])
def test_days_that_make_no_report_are_refused(first: str, last: str, world: World) -> None:
    refused(world.call("GET /v1/usage", "/v1/usage", first_day=first, last_day=last), 422, param="first_day")


@pytest.mark.parametrize(
    "parameters",
    [{"a": "x" * 9000}, {"a": 10**40}, {"a": 1e200}, {"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}],
    ids=["long", "whole", "large", "deep"],
)
def test_parameters_that_no_row_can_hold_are_refused(parameters: dict[str, Any], world: World) -> None:
    world.call("POST /v1/models", "/v1/models", {"id": "support"})
    route, body = "POST /v1/models/{model}/versions", BODIES["POST /v1/models/{model}/versions"]

    param = "parameters.a" if parameters["a"] == 10**40 else "parameters"
    refused(world.call(route, path_of(route, IDS), {**body, "parameters": parameters}), 422, param=param)
