"""Every route of the table with a request that fits it, so that tests can walk them all."""

import json
from typing import Any

from infra.functions import FUNCTIONS
from tests.examples import chat

SIGNED = ("POST /v1/webhooks/{provider}",)  # the one route that no key opens: its sender signs what he sends
ROUTES = tuple(
    route for spec in FUNCTIONS for method, path in spec.endpoints if (route := f"{method} {path}") not in SIGNED
)
ROUTES_WITH_AN_ID = tuple(route for route in ROUTES if "{" in route)
COLUMNS = {"user": "question", "assistant": "answer"}
BODIES: dict[str, Any] = {
    "POST /v1/datasets": {"id": "fresh", "csv": COLUMNS},
    "PATCH /v1/datasets/{dataset}": {"on_drop": "collect", "csv": COLUMNS},
    "POST /v1/datasets/{dataset}/examples": {"examples": [chat("Where is my order?", "late")]},
    "POST /v1/datasets/{dataset}/uploads": {"filename": "week-47.jsonl"},
    "POST /v1/datasets/{dataset}/reviews": {
        "reviews": [
            {"example": digit * 64, "version": 0, "status": "approved", "content": chat("Where is it?", "late")}
            for digit in "ab"
        ],
    },
    "POST /v1/erasures": {"subject": "alice@example.com"},
    "POST /v1/training-runs": {"dataset": "support"},
    "POST /v1/training-runs/{run}/retry": {"force": True},
    "POST /v1/fine_tuning/jobs": {
        "model": "tuneloop-linear-1",
        "training_file": "support",
        "method": {"type": "supervised"},
    },
    "POST /v1/evaluations": {"model": "support", "version": 1},
    "POST /v1/models": {"id": "fresh"},
    "POST /v1/models/{model}/versions": {"provider_model": "some-model"},
    "PUT /v1/models/{model}/deployment": {"candidate": 1, "share": 0.1},
    "POST /v1/models/{model}/activate": {},
    "POST /v1/models/{model}/deactivate": {},
    "POST /v1/models/{model}/rollback": {},
    "POST /v1/models/{model}/resume": {},
    "POST /v1/chat/completions": {"model": "support", "messages": [{"role": "user", "content": "Where is my order?"}]},
    "POST /v1/feedback": {"inference_id": "chatcmpl-support.1.1.stable.2026-11-20.00000000.0.0", "rating": 5},
}
FORMS: dict[str, bytes] = {
    "POST /v1/files": b"\r\n".join(
        [
            b"--form",
            b'Content-Disposition: form-data; name="purpose"',
            b"",
            b"fine-tune",
            b"--form",
            b'Content-Disposition: form-data; name="file"; filename="train.jsonl"',
            b"",
            json.dumps(chat("Where is my order?", "late")).encode(),
            b"--form--",
        ]
    )
}
FREE_NAMES = {"subject"}  # what may be any text, and is the caller's own whatever it says
QUERIES: dict[str, dict[str, str]] = {"GET /v1/models/{model}/route": {"user": "user-1"}}


def path_of(route: str, ids: dict[str, str]) -> str:
    """The path of a route with ids in its places."""
    path = route.partition(" ")[2]
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    return path
