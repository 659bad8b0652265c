"""Merging: sorted segments read as one sorted stream, each example once.

Which of several lines of one example counts doesn't depend on where they lie or when they came: one that feedback
didn't make, then the latest `created_at`, then the one with most fields, then the smallest line. Lines come and go in
blocks of some thousand, sorted as wholes, which takes a tenth of the time of comparing them one by one. Only a few
segments are open at a time: where there are more, groups of them are merged into files on disk first.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, pairwise
from operator import itemgetter
from tempfile import TemporaryFile
from typing import IO

from tuneloop.domain.datasets.origins import Origin
from tuneloop.store.objects.segments import CONTENT, ID, read_line
from tuneloop.validation.decompress import chunks, split_blocks

# Sources open at a time: each holds a connection to S3, a decoder and the block that it is at, in memory.
WIDTH = 32
Lines = list[bytes]
Source = Callable[[], Iterator[Lines]]
CREATED = b',"created_at":"'  # in a text its quotes would be escaped
FIELD = b'":'
FROM_FEEDBACK = tuple(b',"source":"%s"' % origin.encode() for origin in Origin)
UP_TO_ID = slice(ID.stop)  # lines that sort before this part of a line are those of smaller ids


@contextmanager
def k_way_merge(sources: Sequence[Source], choose: Callable[[Lines], Lines] | None = None) -> Iterator[Iterator[Lines]]:
    """The winning line of every example of sorted sources, or those that `choose` keeps; 32 are open at a time."""
    with ExitStack() as files:
        while len(sources) > WIDTH:
            groups = [sources[start : start + WIDTH] for start in range(0, len(sources), WIDTH)]
            sources = [_spilled(group, files) for group in groups]
        yield map(choose or unique, _sorted(sources))


def unique(block: Lines) -> Lines:
    """One line for each id of sorted lines."""
    ids = [line[ID] for line in block]
    if len(set(ids)) == len(ids):
        return block
    repeated = [place for place, (one, other) in enumerate(pairwise(ids)) if one == other]
    for place in reversed(repeated):  # the last ones first, so that three of one example become two, then one
        block[place : place + 2] = [_winner(block[place : place + 2])]
    return block


def unique_by_subject(block: Lines) -> Lines:
    """One line for each id and subject of sorted lines: if that subject is erased, another's line counts."""
    if len({line[ID] for line in block}) == len(block):
        return block
    return [line for _, same in groupby(block, key=itemgetter(ID)) for line in _of_subjects(list(same))]


def _of_subjects(same: Lines) -> Lines:
    """The winner of each subject among one example's lines."""
    subjects: dict[str | None, Lines] = {}
    for line in same:
        subjects.setdefault(read_line(line).subject if len(same) > 1 else None, []).append(line)
    return sorted(map(_winner, subjects.values()))


def _winner(same: Lines) -> bytes:
    """The line of an example that counts: what somebody sent before what feedback made, so that no test split shrinks.

    Then the latest, then the one that says most beside the conversation, so that sending that alone takes nothing away.
    """
    # Of equal ones `max` takes the first, which is the smallest text, as the lines come sorted.
    return max(same, key=lambda line: (not _is_from_feedback(line), creation_time(line), _fields_in(line)))


def _fields_in(line: bytes) -> int:
    """How many fields of a line stand before its content."""
    return line.partition(CONTENT)[0].count(FIELD)


def _is_from_feedback(line: bytes) -> bool:
    """Whether a line's source says that feedback made it."""
    head = line.partition(CONTENT)[0]
    return any(source in head for source in FROM_FEEDBACK)


def creation_time(line: bytes) -> bytes:
    """When an example was made, by its line or by what stands before its content; empty where nobody knows."""
    head = line.find(CONTENT)
    place = line.find(CREATED, ID.stop, head if head > 0 else len(line)) + len(CREATED)
    return line[place : line.index(b'"', place)] if place >= len(CREATED) else b""


def _sorted(sources: Sequence[Source]) -> Iterator[Lines]:
    """All lines in sorted blocks, those of one id in the same."""
    streams = [iter(source()) for source in sources]
    held = [next(blocks, []) for blocks in streams]
    while held:
        least = min(range(len(held)), key=lambda number: _reach(held[number]))
        if (reach := _reach(held[least])) and (block := _taken(held, reach)):
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


def _taken(held: list[Lines], reach: bytes) -> Lines:
    """Take out the held lines below `reach`, sorted; no other line is touched: they are more than caches hold."""
    block: Lines = []
    for lines in held:
        end = bisect_left(lines, reach)
        block += lines[:end]
        del lines[:end]
    block.sort()
    return block


def _reach(lines: Lines) -> bytes:
    """The smallest id that a source may still yield, of which more may come; all below it can be emitted."""
    return lines[-1][UP_TO_ID] if lines else b""


def _spilled(sources: Sequence[Source], files: ExitStack) -> Source:
    """Merge sources into a file on disk, which is one source in their place until `files` are closed."""
    file: IO[bytes] = files.enter_context(TemporaryFile())  # noqa: SIM115 - closed with the others
    for block in _sorted(sources):
        file.writelines(line + b"\n" for line in block)

    def blocks() -> Iterator[Lines]:
        """The merged lines from the file's start."""
        file.seek(0)
        return split_blocks(chunks(file))

    return blocks
