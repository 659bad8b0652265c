"""The API as the command calls it: what passes by itself is asked for again, and anything else is told."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tuneloop.cli import api
from tuneloop.cli.api import ApiClient, ApiRefusal

BUSY = (503, {"error": {"code": "timeout", "message": "This took longer than an answer may take.", "param": None}})
FULL = (409, {"error": {"code": "conflict", "message": "It moved on.", "param": "seq"}})
GOOD = (200, {"id": "run-1"})
Served = Callable[..., tuple[ApiClient, list[str]]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A client of a server that gives these answers in turn, and the repeats that its calls called themselves."""
    monkeypatch.setattr(api, "RETRY_AFTER_S", 0.0)
    running: list[HTTPServer] = []

    def serve(*answers: tuple[int, Any]) -> tuple[ApiClient, list[str]]:
        left, repeats = list(answers), []

        class Server(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                repeats.append(self.headers["x-stainless-retry-count"])
                status, body = left.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Server)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return ApiClient(f"http://127.0.0.1:{server.server_port}/v1", "tl_key"), repeats

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_call_that_came_at_a_bad_time_is_sent_again_and_says_so(served: Served) -> None:
    client, repeats = served(BUSY, BUSY, GOOD)

    assert client.post("/training-runs", {"dataset": "support"}) == {"id": "run-1"}
    assert repeats == ["0", "1", "2"]


@pytest.mark.parametrize(("answers", "code"), [((BUSY, BUSY, BUSY, GOOD), "timeout"), ((FULL, GOOD), "conflict")])
def test_what_does_not_pass_is_told(answers: tuple[Any, ...], code: str, served: Served) -> None:
    client, _ = served(*answers)

    with client, pytest.raises(ApiRefusal) as refused:
        client.post("/training-runs", {})

    assert refused.value.code == code
