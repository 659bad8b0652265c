"""Parts of a conversation with a tool and an image, and a line as it stands in a file."""

import json
from typing import Any

CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"order": "7"}'}}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "refund", "parameters": {"type": "object", "properties": {}}},
}
PICTURE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
CALLED: list[dict[str, Any]] = [
    {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
    {"role": "user", "content": [{"type": "text", "text": "Où est ma commande ?"}, PICTURE], "name": "Nina"},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
    {"role": "tool", "tool_call_id": "c1", "content": '{"state": "sent"}'},
    {"role": "assistant", "content": "Envoyée.", "weight": 1},
]


def packed(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()
