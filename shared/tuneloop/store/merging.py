"""Merging: sorted segments read as one sorted stream, each example once.

Which of several lines of one example counts doesn't depend on where they lie or when they came: the latest
`created_at`, else the smallest line. Only a few segments are open at a time: where there are more, groups of them are
merged into files on disk first.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from heapq import merge
from itertools import groupby
from operator import itemgetter
from tempfile import TemporaryFile
from typing import IO

from tuneloop.store.lines import ID, Stored, read_line

WIDTH = 32
Lines = Callable[[], Iterator[bytes]]


@contextmanager
def merged(sources: Sequence[Lines]) -> Iterator[Iterator[Stored]]:
    """Every example of sorted sources once, by id; `width` of them are open at a time."""
    with ExitStack() as files:
        while len(sources) > WIDTH:
            groups = [sources[start : start + WIDTH] for start in range(0, len(sources), WIDTH)]
            sources = [_spilled(group, files) for group in groups]
        yield unique(merge(*(source() for source in sources)))


def unique(lines: Iterator[bytes]) -> Iterator[Stored]:
    """One example for each id of sorted lines."""
    for _, same in groupby(lines, key=itemgetter(ID)):
        first = read_line(next(same))
        for other in map(read_line, same):
            if (other.created_at or "") > (first.created_at or ""):
                first = other  # lines come sorted, so among equals the smallest was first
        yield first


def _spilled(sources: Sequence[Lines], files: ExitStack) -> Lines:
    file: IO[bytes] = files.enter_context(TemporaryFile())  # noqa: SIM115 - closed with the others
    file.writelines(line + b"\n" for line in merge(*(source() for source in sources)))

    def lines() -> Iterator[bytes]:
        file.seek(0)
        return (line[:-1] for line in file)

    return lines
