"""DynamoDB's units: what AWS counts for a request, from the rows that it touches.

A write counts 1 KB steps of the larger of the old and the new row, once more for each index that the row is in, twice
where it leaves one place of an index for another, and double in a transaction. A read counts 4 KB steps, half of them
where it is not consistent.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

Row = Mapping[str, Any]
ROW_OVERHEAD = 100  # bytes that storage counts beside a row, in the table and in each index


def size(row: Row) -> int:
    """A row's bytes: its names and its values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in row.items())


def _value_size(value: Mapping[str, Any]) -> int:
    [(kind, inside)] = value.items()
    match kind:
        case "S" | "B":
            return len(inside.encode() if kind == "S" else inside)
        case "N":
            return len(inside) // 2 + 2
        case "L":
            return 3 + sum(1 + _value_size(part) for part in inside)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(part) for name, part in inside.items())
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"no row of ours has a {kind}")


def read_units(rows: Sequence[Row], *, consistent: bool) -> float:
    """The units of one request that read these rows."""
    steps = max(1, ceil(sum(size(row) for row in rows) / 4096))
    return steps if consistent else steps / 2


def write_units(old: Row | None, new: Row | None, indexes: Sequence[tuple[str, str]]) -> int:
    """The units of one write, outside of a transaction, that makes `old` into `new`."""
    return _steps(old, new) + sum(_index_units(old, new, index) for index in indexes)


def _index_units(old: Row | None, new: Row | None, index: tuple[str, str]) -> int:
    before, after = _place(old, index), _place(new, index)
    if before and after and before != after:
        return _steps(old, None) + _steps(None, new)
    return _steps(old if before else None, new if after else None) if before or after else 0


def _place(row: Row | None, index: tuple[str, str]) -> tuple[Any, ...] | None:
    if row is None or not all(name in row for name in index):
        return None
    return tuple(row[name] for name in index)


def _steps(old: Row | None, new: Row | None) -> int:
    return max(1, *(ceil(size(row) / 1024) for row in (old, new) if row), 0)


def stored_bytes(row: Row, indexes: Sequence[tuple[str, str]]) -> int:
    """What storage counts for a row, its copies in indexes included."""
    copies = 1 + sum(_place(row, index) is not None for index in indexes)
    return copies * (size(row) + ROW_OVERHEAD)
