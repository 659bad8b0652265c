"""Images as `data:` URLs: as much of each format as says how large it is."""

import struct
from base64 import b64encode
from typing import Any

REMOTE = "https://acme.example/cards/1.png"


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5B", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + b"\0" * 8


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH3B", width, height, 0, 0, 0)


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    """With so many bytes of metadata before the size, as a camera writes them."""
    exif = b"\xff\xe1" + struct.pack(">H", metadata + 2) + b"\xff\xc0" * (metadata // 2) if metadata else b""
    tables = b"\xff\xc4" + struct.pack(">H", 4) + b"\0\0"
    return b"\xff\xd8" + exif + tables + b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"


def webp(width: int, height: int, kind: str = "VP8X") -> bytes:
    chunks = {
        "VP8X": b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        "VP8L": b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 5,
        "VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height),
    }
    chunk = chunks[kind]
    return (
        b"RIFF" + struct.pack("<I", 12 + len(chunk)) + b"WEBP" + kind.encode() + struct.pack("<I", len(chunk)) + chunk
    )


def url(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def shown(where: str, text: str, answer: str, detail: str | None = None, **ours: Any) -> dict[str, Any]:
    """An example whose user shows an image."""
    image = {"url": where} | ({"detail": detail} if detail else {})
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": image}]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}], **ours}
