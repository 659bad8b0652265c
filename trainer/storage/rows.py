"""The trainer's database: JSON rows in one SQLite file, which the server and its worker share.

A row has a kind, an id, and a parent if it belongs to something (an event to its job). Rows are ordered by when they
were added. Adding a row that exists changes nothing, so a step that is repeated after a crash leaves one row.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS row (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, parent TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS by_parent ON row (kind, parent, place);
"""
_ADD = "INSERT OR IGNORE INTO row (kind, id, parent, body) VALUES (?, ?, ?, ?)"
_CHANGE = "UPDATE row SET body = ? WHERE kind = ? AND id = ?"
_REMOVE = "DELETE FROM row WHERE kind = ? AND id = ?"
_GET = "SELECT body FROM row WHERE kind = ? AND id = ?"
_PLACE = "SELECT place FROM row WHERE kind = ? AND id = ?"
_NEWEST_FIRST = "SELECT body FROM row WHERE kind = ? AND parent = ? AND place < ? ORDER BY place DESC LIMIT ?"
_LAST_PLACE = 2**63 - 1


class RowStore:
    """The rows of one file, which is created if it doesn't exist; threads may share the store."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        # Seconds to wait for a transaction of the other process: each takes milliseconds, so after 30 s it hangs.
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes inside happen together or not at all, without any write of others in between."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def add(self, kind: str, row_id: str, body: str, *, parent: str = "") -> bool:
        """Add a row unless it exists, and return whether it was added."""
        return self._write(_ADD, kind, row_id, parent, body)

    def change(self, kind: str, row_id: str, body: str) -> bool:
        """Replace the body of a row, and return whether the row exists."""
        return self._write(_CHANGE, body, kind, row_id)

    def remove(self, kind: str, row_id: str) -> bool:
        """Delete a row, and return whether it existed."""
        return self._write(_REMOVE, kind, row_id)

    def get(self, kind: str, row_id: str) -> str | None:
        """Return the body of a row, or None."""
        return next(iter(self._read(_GET, kind, row_id)), None)

    def newest_first(self, kind: str, *, parent: str = "", after: str | None = None, limit: int = -1) -> list[str]:
        """Return at most `limit` bodies (-1: all), newest first; after the row `after`, none if it doesn't exist."""
        places = [_LAST_PLACE] if after is None else self._read(_PLACE, kind, after)
        return self._read(_NEWEST_FIRST, kind, parent, places[0], limit) if places else []

    def _write(self, statement: str, *values: str) -> bool:
        with self._lock:
            return self._connection.execute(statement, values).rowcount > 0

    def _read(self, query: str, *values: str | int) -> list[str]:
        with self._lock:
            return [value for (value,) in self._connection.execute(query, values)]
