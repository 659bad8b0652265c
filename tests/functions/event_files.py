"""The files in `events/`: real payloads of every trigger, by the names `<function>.<trigger>`."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[2] / "events"
FILES = sorted(path.stem for path in EVENTS.glob("*.json"))


def read(name: str, tenant: str = "acme") -> dict[str, Any]:
    text = (EVENTS / f"{name}.json").read_text("utf-8")
    event: dict[str, Any] = json.loads(text.replace("acme", tenant))
    return event
