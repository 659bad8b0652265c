"""Records: what a file's name says that its lines are."""

from collections.abc import Iterator
from functools import partial

from tuneloop.domain.shaping import Record
from tuneloop.domain.tables import CsvColumns, csv_records
from tuneloop.parsing import json_records
from tuneloop.store.unpacking import is_table


def records_in(name: str, columns: CsvColumns | None) -> "partial[Iterator[Record]]":
    """What reads the lines of a file of that name: CSV where it ends so, JSONL otherwise."""
    return partial(csv_records, columns=columns) if is_table(name) else partial(json_records)
