"""The demo's journey round the loop, with its screen and data files, and its run and evaluation once there."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from local.demo.screen import Screen
from ops.smoke.journey import Journey
from tuneloop.domain.chat.messages import text_of

TENANT = "demo"
MAX_QUESTIONS = 5  # as many as a terminal shows at a glance
# File names that say nothing about what is in the file; the folder's name does more often.
GENERIC_NAMES = ("train", "test", "data", "examples")


@dataclass(kw_only=True)
class DemoJourney(Journey):
    """One way round the loop with the state that the demo's steps share."""

    tenant: str = TENANT
    screen: Screen
    data: Path
    test: Path | None
    run: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)

    def questions(self) -> list[str]:
        """The last user messages of up to `MAX_QUESTIONS` held-out examples, spread over the export's test file."""
        files = self.api.get(f"/datasets/{self.dataset}/exports/{self.run['export']}")["files"]
        lines = httpx2.get(files["test"]["url"]).raise_for_status().content.splitlines()
        selected = lines[:: max(1, len(lines) // MAX_QUESTIONS)][:MAX_QUESTIONS]
        return [_question(orjson.loads(line)) for line in selected]


def dataset_name(file: Path) -> str:
    """The name of the dataset for a file: the file's stem, or its folder's name where the stem says nothing."""
    stem = file.stem if file.stem.lower() not in GENERIC_NAMES else file.resolve().parent.name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:63] or "demo-data"


def _question(line: dict[str, Any]) -> str:
    return next(text_of(message) for message in reversed(line["messages"]) if message["role"] == "user")
