"""Uploaded files and result files: their rows, and their bytes on disk under the file's id."""

import os
import shutil
from pathlib import Path
from typing import Protocol

from trainer.storage.rows import RowStore
from tuneloop.openai_wire.files import FileObject

_KIND = "file"
_COPIED_BYTES = 1024 * 1024  # bounds the memory while a file of up to half a gigabyte is stored


class Readable(Protocol):
    """A source of bytes that can be read in chunks."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


class FileStore:
    """The store of files: rows, and a folder for the bytes."""

    def __init__(self, rows: RowStore, folder: Path) -> None:
        self._rows = rows
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str) -> Path:
        """Return the path of a file's bytes."""
        return self._folder / file_id

    def add(self, file: FileObject, content: Readable) -> FileObject:
        """Store a file, complete or not at all, and return it with its size; a row with its id stays as it is."""
        unfinished = self._folder / f".{file.id}.unfinished"
        with unfinished.open("wb") as target:
            shutil.copyfileobj(content, target, _COPIED_BYTES)
        stored_file = file.model_copy(update={"bytes": unfinished.stat().st_size})
        os.replace(unfinished, self.path(file.id))
        self._rows.add(_KIND, file.id, stored_file.model_dump_json())
        return stored_file

    def get(self, file_id: str, *, now: int) -> FileObject | None:
        """Return a file; None if there is none with this id or it has expired."""
        body = self._rows.get(_KIND, file_id)
        file = FileObject.model_validate_json(body) if body else None
        return file if file and not _has_expired(file, now) else None

    def newest_first(self, *, now: int, after: str | None = None, purpose: str | None = None) -> list[FileObject]:
        """Return the files that haven't expired, newest first; after the file `after` if that is given."""
        files = [FileObject.model_validate_json(body) for body in self._rows.newest_first(_KIND, after=after)]
        return [file for file in files if not _has_expired(file, now) and purpose in (None, file.purpose)]

    def remove(self, file_id: str) -> bool:
        """Delete a file and its bytes, and return whether it existed."""
        existed = self._rows.remove(_KIND, file_id)
        if existed:
            self.path(file_id).unlink(missing_ok=True)
        return existed

    def sweep(self, *, now: int) -> None:
        """Delete the files that have expired."""
        for body in self._rows.newest_first(_KIND):
            file = FileObject.model_validate_json(body)
            if _has_expired(file, now):
                self.remove(file.id)

    def drop_unfinished(self) -> None:
        """Delete what interrupted uploads left; to be called only while nothing is being uploaded."""
        for unfinished in self._folder.glob(".*.unfinished"):
            unfinished.unlink()


def _has_expired(file: FileObject, now: int) -> bool:
    return file.expires_at is not None and file.expires_at <= now
