"""The binary event stream (`application/vnd.amazon.eventstream`) that ConverseStream answers in.

A message consists of its length and its headers' length (4 bytes each, big-endian), the CRC32 of these two, the
headers, the payload, and the CRC32 of everything before it. A header consists of its name's length (1 byte), its name,
7 for text, the text's length (2 bytes) and the text. Source: AWS's "Amazon event stream encoding" specification.
"""

import struct
from binascii import crc32
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from botocore.model import StructureShape

from trainer.bedrock.rest_json import JSON, check

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7
_OVERHEAD = 16  # bytes of the two lengths and the two checksums


def encode_events(events: Iterable[dict[str, Any]], shape: StructureShape) -> Iterator[bytes]:
    """Encode events, each `{name: members}`, after checking each against the stream's shape."""
    for event in events:
        check(event, shape)
        ((kind, payload),) = event.items()
        yield encode_message(
            {":event-type": kind, ":content-type": JSON, ":message-type": "event"}, orjson.dumps(payload)
        )


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return a message as bytes."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", _OVERHEAD + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _TEXT, len(text)) + text
