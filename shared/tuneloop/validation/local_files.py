"""Local files: a file or pipe of examples on this machine, read line by line as the cloud reads a drop."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.errors import InvalidInput, TooLarge, TuneloopError
from tuneloop.domain.core.limits import LINE_BYTES, OBJECT_BYTES
from tuneloop.domain.datasets.csv_reader import CsvColumns, Unreadable, csv_records
from tuneloop.domain.datasets.policy import DEFAULT, Policy
from tuneloop.domain.datasets.records import Record
from tuneloop.validation.decompress import COMPRESSED_ENDINGS, chunks, decompress, is_table, split_lines
from tuneloop.validation.line_parser import json_records

READ_ERRORS = (InvalidInput, TooLarge, Unreadable, OSError)  # the errors that end reading a file early

Progress = Callable[[int], None]  # called with the bytes of the file that have been read so far


def _without_version(template: Any) -> Any:
    """A template without its version, which is in the API's answers but not in its requests."""
    if not isinstance(template, dict):
        return template
    return {name: value for name, value in template.items() if name != "version"}


def _or_default(policy: Any) -> Any:
    """The policy, or the default for null, which means the default in the API too."""
    return DEFAULT if policy is None else policy


class ReadSettings(BaseModel):
    """The settings of a dataset that decide how its files are read; other fields of the API's answer are ignored."""

    model_config = ConfigDict(frozen=True)

    template: Annotated[Template | None, BeforeValidator(_without_version)] = None
    csv: CsvColumns | None = None
    policy: Annotated[Policy, BeforeValidator(_or_default)] = DEFAULT
    provider: str | None = None
    base_model: str | None = None


class CountedBytes(io.FileIO):
    """A file that counts the bytes read from it, as a pipe has no position to ask for."""

    count = 0

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer, as `FileIO` does, and count the bytes."""
        read = super().readinto(buffer)
        self.count += read or 0
        return read


def lines_of(path: Path, on_read: Progress | None = None) -> Iterator[bytes | None]:
    """The lines of a file, decompressed by its name; None for a line that is too long. Raises one of `READ_ERRORS`."""
    file = CountedBytes(path)
    with io.BufferedReader(file) as raw:
        yield from split_lines(_pieces(path, file, raw, on_read), LINE_BYTES)


def records_of(path: Path, columns: CsvColumns | None = None) -> Iterator[Record]:
    """The records of a file, which is a CSV if its name says so, else JSONL."""
    return csv_records(lines_of(path), columns) if is_table(path.name) else json_records(lines_of(path))


def problem_of(error: Exception, line: int = 0) -> Problem:
    """The problem that says why reading a file ended at a line; `error` is one of `READ_ERRORS`."""
    if isinstance(error, Unreadable):
        return error.problem
    if isinstance(error, TuneloopError):
        return Problem(line=line, path="$", code=error.code, message=error.message)
    reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return Problem(line=line, path="$", code="unreadable_file", message=f"The file can't be read: {reason}.")


def _pieces(path: Path, file: CountedBytes, raw: IO[bytes], on_read: Progress | None) -> Iterator[bytes]:
    """The content of a file in pieces. Only a compressed file is limited in size, as the others take no memory here."""
    is_compressed = path.name.lower().endswith(COMPRESSED_ENDINGS)
    for piece in decompress(raw, path.name, _size(path)) if is_compressed else chunks(raw):
        yield piece
        if on_read:
            on_read(file.count)


def _size(path: Path) -> int:
    """A file's size in bytes, which bounds its decompression; a pipe, which has no size, counts as the largest drop."""
    return path.stat().st_size if path.is_file() else OBJECT_BYTES
