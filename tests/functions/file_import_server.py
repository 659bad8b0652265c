"""A server in front of the real trainer that imports files as Azure does, and refuses jobs on them until then."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.unit.providers.server import serving

REFUSAL = "File 'file-1' is still being processed and is not ready to be used for fine-tuning. Please try again later."
PASSED_ON = ("Authorization", "Content-Type")


@dataclass
class FileImportServer:
    """What it says of files, with the status it has at the moment; `None` as a status leaves the field out."""

    trainer: str
    status: str | None = "pending"
    is_ready: bool = False
    lists_files: bool = True
    refusal: dict[str, Any] = field(default_factory=lambda: {"message": REFUSAL, "type": "invalid_request_error"})
    refused_with: int = 400
    asked: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def finish(self, status: str | None = "processed") -> None:
        """The import has ended."""
        self.status, self.is_ready = status, True

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Stand before the trainer for as long as somebody is within."""
        with serving(self.answer) as self.port:
            yield self

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        kind = path.removeprefix("/v1").rstrip("/")
        self.asked[f"{request.command} {'/files/…' if kind.startswith('/files/') else kind}"] += 1
        if (request.command, kind) == ("POST", "/fine_tuning/jobs") and not self.is_ready:
            return _send(request, self.refused_with, json.dumps({"error": self.refusal}).encode())
        status, content = self._forward(request, f"{kind}?{query}" if query else kind, body)
        if kind.startswith("/files") and status == 200:
            content = json.dumps(self._told(json.loads(content))).encode()
        return _send(request, status, content)

    def _forward(self, request: BaseHTTPRequestHandler, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        sent = Request(f"{self.trainer}{path}", body or None, headers, method=request.command)
        try:
            with urlopen(sent) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def _told(self, said: dict[str, Any]) -> dict[str, Any]:
        if "data" in said:
            return said | {"data": [self._told(file) for file in said["data"]] if self.lists_files else []}
        rest = {name: value for name, value in said.items() if name != "status"}
        return rest if self.status is None else rest | {"status": self.status}


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
