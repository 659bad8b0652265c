"""The audit, by the real pip-audit: a finding fails, and what was not looked up is said."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ops.audit import LOCKS, audit_dependencies

NOBODY = "http://127.0.0.1:9/v1/query"
VULNERABLE = {
    "vulns": [
        {
            "id": "PYSEC-2026-1",
            "schema_version": "1.6.0",
            "summary": "made up for this test",
            "affected": [
                {
                    "package": {"name": "badly", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
                }
            ],
        }
    ]
}


class Database(ThreadingHTTPServer):
    """OSV as far as pip-audit asks it: `badly` is vulnerable; it is down if told so."""

    down = False
    daemon_threads = True


class Query(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(VULNERABLE if asked["package"]["name"] == "badly" else {}).encode()
        self.send_response(503 if self.server.down else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def database() -> Iterator[Database]:
    with Database(("127.0.0.1", 0), Query) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def lock(tmp_path: Path) -> Callable[..., str]:
    def write(*names: str) -> str:
        file = tmp_path / "lock.txt"
        file.write_text("".join(f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in names), "utf-8")
        return str(file)

    return write


def at(database: Database) -> str:
    return f"http://127.0.0.1:{database.server_port}/v1/query"


def test_dependencies_without_a_known_vulnerability_pass_in_silence(
    database: Database, lock: Callable[..., str]
) -> None:
    assert audit_dependencies([lock("well", "fine")], at(database)) == ([], False)


def test_a_vulnerability_fails_and_says_what_mends_it(database: Database, lock: Callable[..., str]) -> None:
    lines, failed = audit_dependencies([lock("well", "badly")], at(database))

    assert failed
    assert lines == ["badly 1.0 is vulnerable: PYSEC-2026-1, fixed in 1.1"]


def test_a_database_that_cannot_be_reached_is_no_pass_in_silence(lock: Callable[..., str]) -> None:
    lines, failed = audit_dependencies([lock("well")], NOBODY)

    assert not failed
    assert lines == [f"The dependencies were NOT audited: {NOBODY} can't be reached (ConnectionError)."]


def test_a_database_that_is_down_is_no_pass_in_silence(database: Database, lock: Callable[..., str]) -> None:
    database.down = True

    lines, failed = audit_dependencies([lock("well")], at(database))

    assert (len(lines), failed) == (1, False)
    assert "NOT audited" in lines[0]


def test_an_audit_that_goes_wrong_for_another_reason_fails() -> None:
    lines, failed = audit_dependencies(["no-such-lock.txt"], NOBODY)

    assert failed
    assert "The audit of the dependencies failed" in lines[0]


def test_what_is_audited_is_what_is_installed_and_what_the_layer_carries() -> None:
    root = Path(__file__).parents[2]

    assert [(root / lock).name for lock in LOCKS if (root / lock).is_file()] == ["layer.txt", "dev.txt"]
