"""A real HTTP server that plays what a test wrote: any status, any body, in one piece or in drops."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.training.jobs import JobOrigin, TrainingFile
from tuneloop.providers.port import ProviderJobRequest

DROP_EVERY_S = 0.02
ORIGIN = JobOrigin(
    stage="test",
    tenant="acme",
    run="run-1",
    model="support",
    dataset="support",
    export="export-1",
    revision=1,
    attempt=1,
)
REQUEST = ProviderJobRequest(origin=ORIGIN, base_model="base-1", training_file="file-1")
FILE = TrainingFile("acme", "run-1", Split.TRAIN)


@dataclass(frozen=True)
class Play:
    """One answer; `drips` is the part of it that is sent byte by byte (`head` or `body`)."""

    body: bytes
    status: int = 200
    drips: str = ""
    kind: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    key: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """Answer all that is asked of a port of this machine, which is the one that comes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Server:
    """Gives its plays one by one, the last of them for ever."""

    plays: deque[Play] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def plays_next(self, *plays: Any, **fields: Any) -> None:
        """Set what comes next: plays, or what stands for their bodies (bytes as they are, all else as JSON)."""
        self.asked.clear()
        self.plays = deque(one if isinstance(one, Play) else Play(_bytes(one), **fields) for one in plays)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Be there for as long as somebody is within; what still drips is over then."""
        with serving(self.answer) as self.port:
            try:
                yield self
            finally:
                self.over.set()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append(Asked(request.command, path.path, parse_qs(path.query), key, body))
        play = self.plays.popleft() if len(self.plays) > 1 else self.plays[0]
        lines = [f"HTTP/1.1 {play.status} Played", f"Content-Type: {play.kind}", f"Content-Length: {len(play.body)}"]
        head = "\r\n".join([*lines, *play.headers, "", ""]).encode()
        try:
            self._send(request, head, drips=play.drips == "head")
            self._send(request, play.body, drips=play.drips == "body")
        except OSError:  # the client has hung up, as it should
            request.close_connection = True

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, *, drips: bool) -> None:
        for piece in (content[at : at + 1] for at in range(len(content))) if drips else (content,):
            if drips and self.over.wait(DROP_EVERY_S):
                return
            request.wfile.write(piece)
            request.wfile.flush()


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
