"""Records: what a file's name says that its lines are."""

from collections.abc import Iterator
from functools import partial

from tuneloop.domain.datasets.csv_reader import CsvColumns, csv_records
from tuneloop.domain.datasets.records import Record
from tuneloop.validation.decompress import is_table
from tuneloop.validation.line_parser import json_records


def records_in(name: str, columns: CsvColumns | None) -> "partial[Iterator[Record]]":
    """What reads the lines of a file of that name: CSV where it ends so, JSONL otherwise."""
    return partial(csv_records, columns=columns) if is_table(name) else partial(json_records)
