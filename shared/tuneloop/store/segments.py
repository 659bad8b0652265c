"""Segments: read back in blocks of whole lines, and refused where they don't hold what was written.

A segment is named by the hash of its lines. Whoever reads one to its end knows that nothing of it was lost or changed;
one that was cut, damaged or replaced is named by the error and never read as a smaller one.
"""

import hashlib
from collections.abc import Iterator

import zstandard

from tuneloop.domain.datasets import Segment
from tuneloop.domain.errors import Corrupt, NotFound
from tuneloop.store.objects import Objects

Lines = list[bytes]


def blocks_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The lines of a segment, sorted, in blocks of about a MiB; Corrupt where they aren't what was written."""
    whole = hashlib.sha256()
    count, last = 0, b""
    for block in _split(segment, _hashed(_unpacked(segment, objects), whole)):
        if block[0] < last or sorted(block) != block:
            raise _corrupt(segment, "its lines are not sorted")
        count, last = count + len(block), block[-1]
        yield block
    if (whole.hexdigest(), count) != (segment.sha256, segment.examples):
        raise _corrupt(segment, f"it has {count:,} lines, and not the {segment.examples:,} that were written")


def lines_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The same without the proof, for those who only look."""
    return _split(segment, _unpacked(segment, objects))


def pieces_of(segment: Segment, objects: Objects) -> Iterator[bytes]:
    """The same as it is unpacked, a line's end in one piece and its beginning in the piece before."""
    last = b"\n"
    for last in _unpacked(segment, objects):
        yield last
    if not last.endswith(b"\n"):
        raise _corrupt(segment, "its last line is cut off")


def _unpacked(segment: Segment, objects: Objects) -> Iterator[bytes]:
    try:
        yield from objects.pieces(segment.key)
    except zstandard.ZstdError as error:
        raise _corrupt(segment, "it can't be unpacked to its end") from error
    except NotFound as error:
        raise _corrupt(segment, "it is not there, or may not be read") from error


def _hashed(pieces: Iterator[bytes], whole: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        whole.update(piece)
        yield piece


def _split(segment: Segment, pieces: Iterator[bytes]) -> Iterator[Lines]:
    held = b""
    for piece in pieces:
        lines = piece.split(b"\n")
        lines[0] = held + lines[0]
        held = lines.pop()
        if lines:
            yield lines
    if held:
        raise _corrupt(segment, "its last line is cut off")


def _corrupt(segment: Segment, why: str) -> Corrupt:
    message = (
        f"The segment {segment.key} is damaged: {why}. Nothing was made of its dataset. "
        "Restore the object's earlier version, then ask again."
    )
    return Corrupt(message, code="corrupt_segment")
