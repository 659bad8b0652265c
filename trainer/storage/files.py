"""Uploaded and resulting files: their rows, and their bytes on disk under the row's id."""

import os
import shutil
from pathlib import Path
from typing import Protocol

from trainer.storage.rows import RowStore
from tuneloop.openai_wire.files import FileObject

_KIND = "file"
_COPIED_BYTES = 1024 * 1024  # in memory at once while a file of up to half a gigabyte is stored


class Readable(Protocol):
    """Bytes that can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


class FileStore:
    """The store of files: rows, and a folder for the bytes."""

    def __init__(self, rows: RowStore, folder: Path) -> None:
        self._rows = rows
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str) -> Path:
        """Return where a file's bytes are."""
        return self._folder / file_id

    def add(self, file: FileObject, content: Readable) -> FileObject:
        """Keep a file whole or not at all, filling in its size; adding the same id again changes nothing."""
        unfinished = self._folder / f".{file.id}.unfinished"
        with unfinished.open("wb") as target:
            shutil.copyfileobj(content, target, _COPIED_BYTES)
        stored = file.model_copy(update={"bytes": unfinished.stat().st_size})
        os.replace(unfinished, self.path(file.id))
        self._rows.add(_KIND, file.id, stored.model_dump_json())
        return stored

    def get(self, file_id: str, *, now: int) -> FileObject | None:
        """Return a file, None where there is none or it has expired."""
        body = self._rows.get(_KIND, file_id)
        file = FileObject.model_validate_json(body) if body else None
        return file if file and not _expired(file, now) else None

    def newest_first(self, *, now: int, after: str | None = None, purpose: str | None = None) -> list[FileObject]:
        """Return the files that come after the file `after`, newest first."""
        files = [FileObject.model_validate_json(body) for body in self._rows.newest_first(_KIND, after=after)]
        return [file for file in files if not _expired(file, now) and purpose in (None, file.purpose)]

    def remove(self, file_id: str) -> bool:
        """Forget a file and its bytes, and say whether it was there."""
        was_there = self._rows.remove(_KIND, file_id)
        if was_there:
            self.path(file_id).unlink(missing_ok=True)
        return was_there

    def sweep(self, *, now: int) -> None:
        """Remove what has expired."""
        for body in self._rows.newest_first(_KIND):
            file = FileObject.model_validate_json(body)
            if _expired(file, now):
                self.remove(file.id)

    def drop_unfinished(self) -> None:
        """Remove what interrupted uploads left; only while there is none."""
        for unfinished in self._folder.glob(".*.unfinished"):
            unfinished.unlink()


def _expired(file: FileObject, now: int) -> bool:
    return file.expires_at is not None and file.expires_at <= now
