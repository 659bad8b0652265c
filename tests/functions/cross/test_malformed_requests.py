"""What can't be read before its route: a refusal of its own, and never that the caller's key could not be looked up."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.refusals import refused
from tests.functions.routes import BODIES, FORMS
from tests.world import Answer, World, http_event, invoke

FILES = "POST /v1/files"
FORM = FORMS[FILES]
DISPOSITION = b'form-data; name="file"; filename="train.jsonl"'
PLAIN = "POST /v1/datasets"


def send(world: World, route: str = FILES, *, body: Any = FORM, **changed: Any) -> Answer:
    """The answer to a request with some of its event changed; `headers` are added to what it has."""
    event = http_event(route, route.split()[1], body, world.key, {})
    headers = event["headers"] | changed.pop("headers", {})
    answer = invoke("collect-examples", event | changed | {"headers": headers})
    return Answer(answer["statusCode"], answer["body"], answer.get("headers", {}))


@pytest.mark.parametrize(
    ("kind", "disposition"),
    [
        ("multipart/form-data; boundary=form", DISPOSITION + b"; filename*=undefined''x"),
        ("multipart/form-data; boundary=form", DISPOSITION + b"; filename*=idna''%ff"),
        ("multipart/form-data; boundary=form", DISPOSITION + b"; filename*=utf-8\0''x"),
        ("multipart/form-data; boundary=form", DISPOSITION + b"; filename*=utf-8''%ff"),
        ("multipart/form-data; boundary=form", b"form-data; name*=undefined''file"),
        ("multipart/form-data; boundary=form", b"form-data; name*" + b"9" * 5000 + b"=file"),
        ("multipart/form-data; boundary=form", b'form-data; name="file'),
        (f"multipart/form-data; boundary*{'9' * 9999}=form", DISPOSITION),
        ("multipart/form-data; boundary*=undefined''form", DISPOSITION),
        ("multipart/form-data; boundary", DISPOSITION),
        ("multipart/form-data; boundary=form, multipart/form-data; boundary=form", DISPOSITION),
        ("multipart/form-data", DISPOSITION),
        ("multipart/form-data; boundary=\u00e9", DISPOSITION),
    ],
    ids=str,
)
def test_a_form_that_cannot_be_taken_apart_is_told_so(kind: str, disposition: bytes, world: World) -> None:
    answer = send(world, body=FORM.replace(DISPOSITION, disposition), headers={"content-type": kind})

    refused(answer, 400, "invalid_form")
    assert world.call("GET /v1/files", "/v1/files").body["data"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"body": "not base64!", "isBase64Encoded": True},
        {"body": "e", "isBase64Encoded": True},
        {"body": "\ud800", "isBase64Encoded": True},
        {"body": b64encode(b"\xff").decode(), "isBase64Encoded": True},
        {"body": None},
        {"body": ""},
        {"headers": {"content-encoding": "gzip"}},
        {"headers": {"content-type": ""}},
        {"headers": {"content-type": "application/json; charset=undefined"}},
        {"headers": {"content-type": "\ud800"}},
        {"queryStringParameters": {"\ud800": "1"}},
        {"queryStringParameters": {"": ""}},
        {"queryStringParameters": {"metadata[": "]"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("route", [FILES, PLAIN])
def test_what_is_malformed_is_the_caller_s_fault_on_every_wire(route: str, changed: Any, world: World) -> None:
    answer = send(world, route, **changed)

    assert 400 <= answer.status < 500 or (route == PLAIN and answer.status < 300)
    if answer.status >= 400:
        refused(answer, answer.status)
        assert answer.body["error"]["code"] != "key_not_checked"


ODD = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["multipart/form-data", "; boundary=form", "*=undefined''x"]
)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "accept", "x-odd", "content-length", "transfer-encoding"]),
    st.lists(ODD, max_size=3).map("".join),
    max_size=3,
)
PIECES = st.lists(
    st.sampled_from([b"--form", b"\r\n", b"Content-Disposition: ", DISPOSITION, b"; filename*=idna''%ff", b"--", b"{}"])
    | st.binary(max_size=10),
    max_size=12,
).map(b"".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    route=st.sampled_from([FILES, PLAIN, "POST /v1/datasets/{dataset}/examples"]),
    body=PIECES | st.sampled_from([FORM]) | st.text(max_size=30),
    headers=HEADERS,
    query=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    is_base64=st.booleans(),
)
def test_whatever_comes_before_a_route_is_no_fault_of_ours(
    world: World, route: str, body: Any, headers: dict[str, str], query: dict[str, str] | None, is_base64: bool
) -> None:
    packed = {"isBase64Encoded": is_base64} if isinstance(body, str) else {}

    answer = send(world, route, body=body, headers=headers, queryStringParameters=query, **packed)

    assert answer.status < 500, answer.text
    assert "could not be looked up" not in answer.text


@pytest.mark.parametrize(
    "secret", ["", " ", "tl_", "tl_" + "\u00e9", "tl_\ud800", "tl_" + "x" * 5000, "tl_x\0", "tl_x, Bearer tl_y"]
)
def test_what_is_no_key_needs_no_look_and_is_no_trouble_of_ours(secret: str, world: World) -> None:
    answer = send(world, PLAIN, body=BODIES[PLAIN], headers={"authorization": f"Bearer {secret}"})

    refused(answer, 401, "invalid_api_key")
