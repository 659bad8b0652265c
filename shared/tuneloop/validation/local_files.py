"""Files: a file of examples on this machine, or a pipe, read line by line as a drop of it would be read."""

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

FAULTS = (InvalidInput, TooLarge, Unreadable, OSError)  # for which a file can't be read to its end

Progress = Callable[[int], None]


def _without_version(template: Any) -> Any:
    """A template as it was set: the API answers with its version beside it."""
    if not isinstance(template, dict):
        return template
    return {name: value for name, value in template.items() if name != "version"}


def _or_default(policy: Any) -> Any:
    """A policy, of which null is the default one, as it is where a dataset is changed."""
    return DEFAULT if policy is None else policy


class ReadSettings(BaseModel):
    """What a dataset says of its files; all else that the API says of it doesn't matter here."""

    model_config = ConfigDict(frozen=True)

    template: Annotated[Template | None, BeforeValidator(_without_version)] = None
    csv: CsvColumns | None = None
    policy: Annotated[Policy, BeforeValidator(_or_default)] = DEFAULT
    provider: str | None = None
    base_model: str | None = None


class CountedBytes(io.FileIO):
    """A file that counts what was read of it: a pipe can't say where it is."""

    count = 0

    def readinto(self, buffer: Any, /) -> int | None:
        """Read, and count."""
        read = super().readinto(buffer)
        self.count += read or 0
        return read


def lines_of(path: Path, on_read: Progress | None = None) -> Iterator[bytes | None]:
    """The lines of a file; None is one that is too long."""
    file = CountedBytes(path)
    with io.BufferedReader(file) as raw:
        yield from split_lines(_pieces(path, file, raw, on_read), LINE_BYTES)


def records_of(path: Path, columns: CsvColumns | None = None) -> Iterator[Record]:
    """The records of a file: of a CSV where its name says so, of JSONL otherwise."""
    return csv_records(lines_of(path), columns) if is_table(path.name) else json_records(lines_of(path))


def problem_of(fault: Exception, line: int = 0) -> Problem:
    """Why a file can't be read on after a line."""
    if isinstance(fault, Unreadable):
        return fault.problem
    if isinstance(fault, TuneloopError):
        return Problem(line=line, path="$", code=fault.code, message=fault.message)
    why = (fault.strerror if isinstance(fault, OSError) else None) or type(fault).__name__
    return Problem(line=line, path="$", code="unreadable_file", message=f"The file can't be read: {why}.")


def _pieces(path: Path, file: CountedBytes, raw: IO[bytes], on_read: Progress | None) -> Iterator[bytes]:
    """The content of a file; one that isn't compressed may be larger here than what can be dropped."""
    packed = path.name.lower().endswith(PACKED)
    for piece in decompress(raw, path.name, _size(path)) if packed else chunks(raw):
        yield piece
        if on_read:
            on_read(file.count)


def _size(path: Path) -> int:
    """A file's size; a pipe has none, and is taken for as large as a drop may be."""
    return path.stat().st_size if path.is_file() else OBJECT_BYTES
