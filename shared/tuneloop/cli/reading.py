"""Reading a file of this machine example by example, as a drop of it would be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tuneloop.domain.examples import Example, Problem
from tuneloop.domain.limits import LINE_BYTES
from tuneloop.domain.shaping import read_record
from tuneloop.domain.tables import csv_records
from tuneloop.parsing import record_of
from tuneloop.store.unpacking import chunks, split_lines, unpacked
from tuneloop.validation import Task

PACKED = (".gz", ".zst")
UNUSABLE = 2  # the exit status for a file of which nothing can be made

FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="JSONL or CSV, packed (.gz, .zst) or not.")
]


def examples_of(file: Path) -> Iterator[Example | list[Problem]]:
    """Each example of a file, or what is wrong with its line."""
    with file.open("rb") as raw:
        packed = file.name.lower().endswith(PACKED)
        lines = split_lines(unpacked(raw, file.name, file.stat().st_size) if packed else chunks(raw), LINE_BYTES)
        if Task(file).is_table:
            yield from map(read_record, csv_records(lines))
            return
        for number, line in enumerate(lines, start=1):
            if line is None or line.strip():
                yield read_record(record_of(line, number))
