"""Local files: a file of examples on this machine, or a pipe, read line by line as a drop of it would be read."""

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
from tuneloop.validation.decompress import PACKED, chunks, decompress, is_table, split_lines
from tuneloop.validation.line_parser import json_records

FAULTS = (InvalidInput, TooLarge, Unreadable, OSError)  # the errors for which a file can't be read to its end

Progress = Callable[[int], None]  # called with the bytes of the file that have been read so far


def _without_version(template: Any) -> Any:
    """A template without its version, which the API answers with, and which a template that is set doesn't have."""
    if not isinstance(template, dict):
        return template
    return {name: value for name, value in template.items() if name != "version"}


def _or_default(policy: Any) -> Any:
    """The policy that was given, or the default for null, which means the default in the API too."""
    return DEFAULT if policy is None else policy


class ReadSettings(BaseModel):
    """The settings of a dataset that decide how its files are read; all else in the API's answer is ignored."""

    model_config = ConfigDict(frozen=True)

    template: Annotated[Template | None, BeforeValidator(_without_version)] = None
    csv: CsvColumns | None = None
    policy: Annotated[Policy, BeforeValidator(_or_default)] = DEFAULT
    provider: str | None = None
    base_model: str | None = None


class CountedBytes(io.FileIO):
    """A file that counts the bytes read from it, since a pipe has no position."""

    count = 0

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer, as `FileIO` does, and count the bytes."""
        read = super().readinto(buffer)
        self.count += read or 0
        return read


def lines_of(path: Path, on_read: Progress | None = None) -> Iterator[bytes | None]:
    """The lines of a file, decompressed by its name; None for one that is too long. Raises one of `FAULTS`."""
    file = CountedBytes(path)
    with io.BufferedReader(file) as raw:
        yield from split_lines(_pieces(path, file, raw, on_read), LINE_BYTES)


def records_of(path: Path, columns: CsvColumns | None = None) -> Iterator[Record]:
    """The records of a file: of a CSV where its name says so, of JSONL otherwise."""
    return csv_records(lines_of(path), columns) if is_table(path.name) else json_records(lines_of(path))


def problem_of(fault: Exception, line: int = 0) -> Problem:
    """The problem that tells why reading a file ended at this line; `fault` is one of `FAULTS`."""
    if isinstance(fault, Unreadable):
        return fault.problem
    if isinstance(fault, TuneloopError):
        return Problem(line=line, path="$", code=fault.code, message=fault.message)
    why = (fault.strerror if isinstance(fault, OSError) else None) or type(fault).__name__
    return Problem(line=line, path="$", code="unreadable_file", message=f"The file can't be read: {why}.")


def _pieces(path: Path, file: CountedBytes, raw: IO[bytes], on_read: Progress | None) -> Iterator[bytes]:
    """The content of a file in pieces. One that isn't compressed may be larger than a drop: it costs no memory here."""
    packed = path.name.lower().endswith(PACKED)
    for piece in decompress(raw, path.name, _size(path)) if packed else chunks(raw):
        yield piece
        if on_read:
            on_read(file.count)


def _size(path: Path) -> int:
    """A file's size in bytes, by which decompression is bounded; a pipe counts as the largest drop, as it has none."""
    return path.stat().st_size if path.is_file() else OBJECT_BYTES
