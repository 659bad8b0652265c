"""Sending files on OpenAI's wire: in one request, or in parts where a file is larger than a provider takes in one.

A part is held in memory while it is sent, the file never. An upload that was begun and not completed goes by itself
after an hour, so that whoever was interrupted begins anew.
"""

from os import SEEK_END
from typing import IO
from urllib.parse import quote

from tuneloop.domain.core.errors import ProviderRefused
from tuneloop.domain.training.capabilities import Capabilities
from tuneloop.providers.openai.client import SUBMIT_S, OpenAIClient, id_in, sensible
from tuneloop.providers.openai.responses import object_in

JSONL = "application/jsonl"
TOO_LARGE = "file_too_large"


def send(calls: OpenAIClient, name: str, content: IO[bytes], able: Capabilities) -> str:
    """Upload a file for fine-tuning; gives the provider's id of it. ProviderRefused where it takes none so large."""
    size = _size_of(content)
    most = able.largest_file_bytes or (None if able.part_bytes else able.whole_file_bytes)
    if most is not None and size > most:
        message = f"The file {name} has {size:,} bytes, and the provider takes {most:,}. Train on fewer examples."
        raise ProviderRefused(message, code=TOO_LARGE)
    if able.whole_file_bytes is None or able.part_bytes is None or size <= able.whole_file_bytes:
        return _id_of(calls.upload(name, content))
    return _in_parts(calls, name, content, size, able.part_bytes)


def _in_parts(calls: OpenAIClient, name: str, content: IO[bytes], size: int, part_bytes: int) -> str:
    wanted = {"filename": name, "purpose": "fine-tune", "bytes": size, "mime_type": JSONL}
    upload = f"/uploads/{quote(_id_of(calls.post('/uploads', wanted, SUBMIT_S)), safe='')}"
    parts = []
    while part := content.read(part_bytes):
        parts.append(_id_of(calls.send_part(f"{upload}/parts", part)))
    completed = calls.post(f"{upload}/complete", {"part_ids": parts}, SUBMIT_S)
    with sensible():
        file = object_in(completed).get("file")
        if not isinstance(file, dict):
            raise ValueError("a completed upload without its file")
        return id_in(file)


def _size_of(content: IO[bytes]) -> int:
    size = content.seek(0, SEEK_END)
    content.seek(0)
    return size


def _id_of(answer: bytes) -> str:
    with sensible():
        return id_in(object_in(answer))
