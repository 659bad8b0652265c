"""Records: what a file's name says that its lines are, and JSONL read line by line."""

from collections.abc import Iterable, Iterator
from functools import partial

from tuneloop.domain.shaping import Record
from tuneloop.domain.tables import BYTE_ORDER_MARK, CsvColumns, csv_records
from tuneloop.parsing import record_of
from tuneloop.store.unpacking import PACKED


def records_in(name: str, columns: CsvColumns | None) -> "partial[Iterator[Record]]":
    """What reads the lines of a file of that name, packed or not: CSV where it ends so, JSONL otherwise."""
    plain = name.lower()
    for ending in PACKED:
        plain = plain.removesuffix(ending)
    return partial(csv_records, columns=columns) if plain.endswith(".csv") else partial(json_records)


def json_records(lines: Iterable[bytes | None]) -> Iterator[Record]:
    """The records of JSONL by its lines, None being one that is too long; blank lines are none."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK) if line and number == 1 else line
        if text is None or text.strip():
            yield record_of(text, number)
