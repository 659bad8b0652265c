"""The local front door passes calls through unchanged and sets AWS's limits."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from local.proxy import GATEWAY_REQUEST_BYTES, LAMBDA_REQUEST_BYTES, LAMBDA_RESPONSE_BYTES, Proxy

RELEASE = threading.Event()


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked, with `?bytes=` bytes, or, at `/hang`, when it is released."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/hang"):
            RELEASE.wait(10)
        _, _, size = self.path.partition("?bytes=")
        seen = {"method": self.command, "path": self.path, "headers": dict(self.headers), "bytes": len(body)}
        content = b"x" * int(size) if size else json.dumps(seen).encode()
        self.send_response(201)
        self.send_header("x-tuneloop", "yes")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815 - http.server looks methods up by this name

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/$default"
        RELEASE.set()
        server.shutdown()
        thread.join()


def ask(upstream: str, method: str, path: str, *, timeout_s: float = 10, **options: Any) -> httpx2.Response:
    async def send() -> httpx2.Response:
        async with Proxy(upstream, timeout_s=timeout_s) as proxy:
            transport = httpx2.ASGITransport(proxy)
            async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
                return await client.request(method, path, **options)

    return asyncio.run(send())


def test_a_call_reaches_the_api_as_it_was_written(upstream: str) -> None:
    response = ask(
        upstream, "POST", "/v1/datasets/a%20b?x=%2F&y=1&y=2", content=b"{}", headers={"authorization": "Bearer tl_x"}
    )

    seen = response.json()
    assert (response.status_code, response.headers["x-tuneloop"]) == (201, "yes")
    assert (seen["method"], seen["path"], seen["bytes"]) == ("POST", "/api/$default/v1/datasets/a%20b?x=%2F&y=1&y=2", 2)
    assert seen["headers"]["authorization"] == "Bearer tl_x"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"x" * (GATEWAY_REQUEST_BYTES + 1), id="over API Gateway's 10 MB"),
        pytest.param(b"x" * LAMBDA_REQUEST_BYTES, id="over Lambda's 6 MB with its quotes and headers"),
        pytest.param(b"\n" * (LAMBDA_REQUEST_BYTES // 2), id="over 6 MB once escaped"),
        pytest.param(b"\xff" * (LAMBDA_REQUEST_BYTES * 3 // 4), id="over 6 MB once in base64"),
    ],
)
def test_a_request_that_aws_would_not_take_is_refused(upstream: str, body: bytes) -> None:
    response = ask(upstream, "POST", "/v1/feedback", content=body)

    assert response.status_code == 413
    assert response.json() == {"message": "Request Entity Too Large"}


def test_a_request_just_below_the_limit_passes(upstream: str) -> None:
    body = b"x" * (LAMBDA_REQUEST_BYTES - 1000)

    response = ask(upstream, "POST", "/v1/feedback", content=body)

    assert response.json()["bytes"] == len(body)


def test_a_response_larger_than_lambda_may_give_is_an_error(upstream: str) -> None:
    fits = ask(upstream, "GET", f"/v1/usage?bytes={LAMBDA_RESPONSE_BYTES - 2}")  # with its two quotes

    too_large = ask(upstream, "GET", f"/v1/usage?bytes={LAMBDA_RESPONSE_BYTES}")

    assert fits.status_code == 201
    assert (too_large.status_code, too_large.json()) == (500, {"message": "Internal Server Error"})


def test_a_call_that_takes_too_long_ends_as_api_gateway_ends_it(upstream: str) -> None:
    response = ask(upstream, "GET", "/hang", timeout_s=0.2)

    assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})


def test_an_api_that_is_gone_is_unavailable() -> None:
    response = ask("http://127.0.0.1:9/nobody", "GET", "/v1/models")

    assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})
