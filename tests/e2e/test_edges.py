"""The edges of the deployed API, through its real front door: what no route matches, and bodies that are not taken."""

import gzip
import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Command
from tuneloop.domain.core.limits import BODY_BYTES
from tuneloop.domain.datasets.erasures import subject_hash

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}  # the gateway hands such bodies over in base64


def ask(
    command: Command, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str]]:
    """The status and the error of a call whose path is sent as it stands here."""
    place = urlsplit(command.stack.base_url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    try:
        key = {"authorization": f"Bearer {command.key}"} if command.key else {}
        connection.request(method, path, body, {**key, **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}").get("error", {})
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/nothing"),
        ("POST", "/v1/assistants"),
        ("DELETE", "/v1/datasets"),
        ("GET", "/v1/datasets/"),
        ("GET", "//v1/datasets"),
        ("GET", "/v1//datasets"),
        ("GET", "/v1/datasets/a/b/c"),
        ("GET", "/v1/" + "x" * 5000),
    ],
)
def test_what_no_route_matches_is_refused_in_our_shape(method: str, path: str, command: Command) -> None:
    status, error = ask(command, method, path)
    assert (status, error["code"]) == (401, "invalid_api_key")

    command.key = command.ok("keys", "create", "edges").strip()
    status, error = ask(command, method, path)
    assert (status, error["code"]) == (404, "unknown_url")
    assert error["request_id"]


def test_a_name_is_never_more_than_a_name(command: Command) -> None:
    command.key = command.ok("keys", "create", "edges").strip()

    for name in ("a%2Fdrops", "..%2F..", "%00", "%ff", "a%20b", "x" * 8000):
        status, error = ask(command, "GET", f"/v1/datasets/{name}")
        assert status in (404, 422), (name, error)
        assert error["code"] in ("unknown_url", "not_found", "string_pattern_mismatch")


def test_a_body_is_counted_in_bytes_and_taken_as_it_is(command: Command) -> None:
    command.key = command.ok("keys", "create", "edges").strip()
    good = b'{"id": "edges"}'
    over = ('{"id": "' + "ü" * (BODY_BYTES // 2) + '"}').encode()
    packed = gzip.compress(good)

    def post(body: bytes, **headers: str) -> tuple[int, str | None]:
        status, error = ask(command, "POST", "/v1/datasets", body, **headers)
        return status, error.get("code")

    assert [post(good, **kind) for kind in (JSON, FORM)] == [(201, None)] * 2
    assert [post(over, **kind) for kind in (JSON, FORM)] == [(413, "too_large")] * 2
    assert post(b'{"id": "\xff"}', **FORM) == (422, "invalid_unicode")
    assert post(packed, **JSON, **{"content-encoding": "gzip"}) == (422, "unsupported_encoding")
    assert post(b"x" * (7 << 20), **JSON) == (413, None)  # the gateway's own refusal: it never reached us


@pytest.mark.parametrize(
    ("sent", "subject"),
    [
        ("%F0%9F%98%80", "\U0001f600"),
        ("a%2Fb", "a/b"),
        ("100%25", "100%"),
        ("100%2525", "100%25"),
        ("a%20b+c", "a b+c"),
    ],
)
def test_any_subject_is_erased_by_its_path(sent: str, subject: str, command: Command) -> None:
    command.key = command.ok("keys", "create", "edges", "--scope", "collect").split()[-1]
    place = urlsplit(command.stack.base_url)
    with closing(http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)) as connection:
        connection.request("DELETE", f"/v1/subjects/{sent}", headers={"authorization": f"Bearer {command.key}"})
        answer = connection.getresponse()
        erased = json.loads(answer.read())

    assert (answer.status, erased["subject"]) == (202, subject_hash("edges", subject))
