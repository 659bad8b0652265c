"""The report of a demo, `report.json`: each step with its time, and the figures of the loop."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class DemoReport:
    """The report of a demo; its steps fill it in, and `ok` turns false with `fail`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ok = True
        self.error: str | None = None
        self.steps: list[dict[str, Any]] = []
        self.overlaps: dict[str, int] = {}
        self.evaluation: dict[str, Any] = {}
        self.versions: list[dict[str, Any]] = []
        self.usage: list[dict[str, Any]] = []

    def add(self, name: str, seconds: float, *, ok: bool = True) -> None:
        """Add a step that has ended, with the seconds that it took."""
        self.steps.append({"name": name, "ok": ok, "seconds": round(seconds, 2)})

    @contextmanager
    def time_step(self, name: str) -> Iterator[None]:
        """Add a step with the time that the block takes; it is not `ok` if the block raises."""
        started, ok = time.monotonic(), False
        try:
            yield
            ok = True
        finally:
            self.add(name, time.monotonic() - started, ok=ok)

    def fail(self, why: str) -> None:
        """Record why the demo did not reach its end."""
        self.ok, self.error = False, why

    def write(self, seconds: float) -> None:
        """Write the report to its file; `seconds` is the time that the whole demo took."""
        content = {
            "ok": self.ok,
            "error": self.error,
            "seconds": round(seconds, 2),
            "steps": self.steps,
            "overlaps": self.overlaps,
            "evaluation": self.evaluation,
            "versions": self.versions,
            "usage": self.usage,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
