"""A k-way merge: sorted segments read as one sorted stream, each example once.

Which of several lines of one example counts doesn't depend on their segment or on the order in which they came: a line
that feedback didn't make, then the latest `created_at`, then the line with most fields, then the smallest line. Lines
are read and given in blocks of some thousand and sorted as blocks, which takes a tenth of the time of comparing them
one by one. A few segments are open at a time: where there are more, groups of them are merged into files on disk first.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, pairwise
from operator import itemgetter
from tempfile import TemporaryFile
from typing import IO

from tuneloop.domain.datasets.origins import Origin
from tuneloop.store.objects.segments import CONTENT, ID, Lines, read_line
from tuneloop.validation.decompress import chunks, split_blocks

Source = Callable[[], Iterator[Lines]]
# Sources open at a time. This bounds memory and connections: each source holds a connection to S3, a decoder and its
# current block of lines.
OPEN_SOURCES = 32
CREATED = b',"created_at":"'  # in a text its quotes would be escaped
FIELD = b'":'
FROM_FEEDBACK = tuple(b',"source":"%s"' % origin.encode() for origin in Origin)
UP_TO_ID = slice(ID.stop)  # a line's start: the lines that sort before it are those of smaller ids


@contextmanager
def k_way_merge(sources: Sequence[Source], choose: Callable[[Lines], Lines] | None = None) -> Iterator[Iterator[Lines]]:
    """The winning line of every example of sorted sources, or the lines that `choose` keeps, in sorted blocks."""
    with ExitStack() as files:
        while len(sources) > OPEN_SOURCES:
            groups = [sources[start : start + OPEN_SOURCES] for start in range(0, len(sources), OPEN_SOURCES)]
            sources = [_spill(group, files) for group in groups]
        yield map(choose or unique, _merge_sorted(sources))


def unique(block: Lines) -> Lines:
    """The winning line for each id of sorted lines."""
    ids = [line[ID] for line in block]
    if len(set(ids)) == len(ids):
        return block
    repeated = [place for place, (one, other) in enumerate(pairwise(ids)) if one == other]
    for place in reversed(repeated):  # from the end, so that three lines of one example become two, then one
        block[place : place + 2] = [_winner(block[place : place + 2])]
    return block


def unique_by_subject(block: Lines) -> Lines:
    """The winning line for each id and subject of sorted lines: once one subject is erased, another's line counts."""
    if len({line[ID] for line in block}) == len(block):
        return block
    by_id = groupby(block, key=itemgetter(ID))
    return [winner for _, versions in by_id for winner in _winners_by_subject(list(versions))]


def _winners_by_subject(versions: Lines) -> Lines:
    """The winner of each subject among one example's lines."""
    subjects: dict[str | None, Lines] = {}
    for line in versions:
        subjects.setdefault(read_line(line).subject if len(versions) > 1 else None, []).append(line)
    return sorted(map(_winner, subjects.values()))


def _winner(versions: Lines) -> bytes:
    """The one of an example's lines that counts.

    A line that somebody sent wins over one that feedback made, so that no test split shrinks; then the latest one; then
    the one with most fields beside the content, so that sending the content alone takes no field away.
    """
    # Of equal lines `max` takes the first, which is the smallest text, since the lines are sorted.
    return max(versions, key=lambda line: (not _is_from_feedback(line), creation_time(line), _count_fields(line)))


def _count_fields(line: bytes) -> int:
    """The number of fields before a line's content."""
    return line.partition(CONTENT)[0].count(FIELD)


def _is_from_feedback(line: bytes) -> bool:
    """Whether a line's source says that feedback made it."""
    head = line.partition(CONTENT)[0]
    return any(source in head for source in FROM_FEEDBACK)


def creation_time(line: bytes) -> bytes:
    """An example's `created_at` by its line, whole or cut before the content; empty where the time is unknown."""
    head = line.find(CONTENT)
    place = line.find(CREATED, ID.stop, head if head > 0 else len(line)) + len(CREATED)
    return line[place : line.index(b'"', place)] if place >= len(CREATED) else b""


def _merge_sorted(sources: Sequence[Source]) -> Iterator[Lines]:
    """All lines in sorted blocks, the lines of one id in one block.

    In each round the source whose lines reach least far decides: below its last id nothing more can come.
    """
    streams = [iter(source()) for source in sources]
    held = [next(blocks, []) for blocks in streams]
    while held:
        least = min(range(len(held)), key=lambda number: _reach(held[number]))
        if (reach := _reach(held[least])) and (block := _take_below(held, reach)):
            yield block
        if more := next(streams[least], None):
            held[least] += more
            continue
        rest = held.pop(least)
        streams.pop(least)
        if rest and held:
            held[0] = sorted(held[0] + rest)
        elif rest:
            yield rest


def _take_below(held: list[Lines], reach: bytes) -> Lines:
    """Remove the held lines below `reach` and return them sorted; others aren't touched: they exceed the CPU caches."""
    block: Lines = []
    for lines in held:
        end = bisect_left(lines, reach)
        block += lines[:end]
        del lines[:end]
    block.sort()
    return block


def _reach(lines: Lines) -> bytes:
    """The start of the smallest line that a source may still yield: the held lines below it are complete."""
    return lines[-1][UP_TO_ID] if lines else b""


def _spill(sources: Sequence[Source], files: ExitStack) -> Source:
    """Merge sources into a file on disk, which is one source in their place until `files` are closed."""
    file: IO[bytes] = files.enter_context(TemporaryFile())  # noqa: SIM115 - closed with the others
    for block in _merge_sorted(sources):
        file.writelines(line + b"\n" for line in block)

    def blocks() -> Iterator[Lines]:
        """The merged lines from the file's start."""
        file.seek(0)
        return split_blocks(chunks(file))

    return blocks
