"""A local HTTP gateway to the handlers, as API Gateway is: it finds the route and hands over the event, one at a time.

With it the unmodified SDK talks to the functions without a stack.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from infra.functions import FUNCTIONS
from tests.world import http_event, invoke

# What an HTTP API hands over as text (AWS, payload format 2.0, read 2026-11); all else comes as base64.
TEXTS = ("text/", "application/json", "application/javascript", "application/xml")
ENDPOINTS = [(method, path, spec.name) for spec in FUNCTIONS for method, path in spec.gateway_routes]


def route_of(method: str, path: str) -> tuple[str, str]:
    """The route and the function that a call belongs to."""
    for wanted, pattern, function in ENDPOINTS:
        looks = re.sub(r"{\w+}", "[^/]+", re.sub(r"{\w+\+}", ".+", pattern))
        if wanted == method and re.fullmatch(looks, path, re.DOTALL):
            return f"{method} {pattern}", function
    return "$default", "complete-chat"


class Gateway(BaseHTTPRequestHandler):
    """Answers each call by the function that the table routes it to."""

    def answer(self) -> None:
        """Answer one call."""
        split = urlsplit(self.path)
        path = unquote(split.path.replace("%25", "%2525"))  # as an HTTP API does
        route, function = route_of(self.command, path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        event = http_event(f"{self.command} /", path, None, None, query)
        event["routeKey"] = route
        event["headers"] = {name.lower(): value for name, value in self.headers.items()}
        is_text = self.headers.get("content-type", "text/plain").startswith(TEXTS)
        event |= {"body": body.decode() if is_text else b64encode(body).decode(), "isBase64Encoded": not is_text}
        self.send(invoke(function, event))

    def send(self, answer: dict[str, Any]) -> None:
        """Send what a function answered."""
        content = answer["body"].encode()
        self.send_response(answer["statusCode"])
        headers = answer.get("headers", {}) | {
            name: ",".join(values) for name, values in answer.get("multiValueHeaders", {}).items()
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Say nothing: the functions keep the log."""


@contextmanager
def serve_gateway() -> Iterator[str]:
    """The base URL of the functions' API while it is served."""
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    serving = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
