"""Uploads in parts: their rows, and the parts on disk until the upload is completed, cancelled or expired.

Parts are read one after the other as if they were one file, which is never held in memory whole.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from trainer.storage.rows import RowStore
from tuneloop.openai_wire.uploads import Upload

_KIND, _FILE_EXPIRY = "upload", "upload_file_expiry"
_READ_BYTES = 1024 * 1024  # bounds the memory while bytes are copied


class Uploads:
    """The store of uploads: rows, and a folder with the parts."""

    def __init__(self, rows: RowStore, folder: Path) -> None:
        self._rows = rows
        self._folder = folder

    def add(self, upload: Upload, *, file_expires_after_s: int | None) -> None:
        """Store a new upload, and the seconds after which its file shall expire, if given."""
        with self._rows.transaction():
            self._rows.add(_KIND, upload.id, upload.model_dump_json())
            if file_expires_after_s is not None:
                self._rows.add(_FILE_EXPIRY, upload.id, str(file_expires_after_s))

    def get(self, upload_id: str, *, now: int) -> Upload | None:
        """Return an upload, or None; a pending one is returned as `expired` once its hour is over."""
        body = self._rows.get(_KIND, upload_id)
        if body is None:
            return None
        upload = Upload.model_validate_json(body)
        is_over = upload.status == "pending" and upload.expires_at <= now
        return upload.model_copy(update={"status": "expired"}) if is_over else upload

    def file_expires_after_s(self, upload_id: str) -> int | None:
        """Return the seconds after which an upload's file shall expire; None if it doesn't."""
        body = self._rows.get(_FILE_EXPIRY, upload_id)
        return int(body) if body else None

    def add_part(self, upload_id: str, part_id: str, content: BinaryIO) -> None:
        """Store the bytes of a part."""
        folder = self._folder / upload_id
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{part_id}"
        with unfinished.open("wb") as target:
            shutil.copyfileobj(content, target, _READ_BYTES)
        unfinished.rename(folder / part_id)

    def parts_size(self, upload_id: str) -> int:
        """Return the size of all parts so far, in bytes."""
        return sum(path.stat().st_size for path in (self._folder / upload_id).glob("part_*"))

    def parts(self, upload_id: str, part_ids: Sequence[str]) -> list[Path] | None:
        """Return the paths of these parts; None if one is missing or named twice."""
        paths = {path.name: path for path in (self._folder / upload_id).glob("part_*")}
        are_valid = len(set(part_ids)) == len(part_ids) and paths.keys() >= set(part_ids)
        return [paths[part_id] for part_id in part_ids] if are_valid else None

    def end(self, upload: Upload) -> None:
        """Store an upload that has ended, and delete its parts."""
        self._rows.change(_KIND, upload.id, upload.model_dump_json())
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)

    def sweep(self, *, now: int) -> None:
        """Delete the parts of uploads that are no longer pending."""
        for folder in self._folder.glob("upload_*"):
            upload = self.get(folder.name, now=now)
            if not upload or upload.status != "pending":
                shutil.rmtree(folder, ignore_errors=True)


class ConcatenatedFiles:
    """Several files that are read one after the other, as one file object."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._chunks = _chunks_of(paths)
        self._rest = b""

    def read(self, size: int = _READ_BYTES) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return chunk


def md5_of(paths: Sequence[Path]) -> str:
    """Return the MD5 of several files' concatenated bytes, in hex."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks_of(paths):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks_of(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                yield chunk
