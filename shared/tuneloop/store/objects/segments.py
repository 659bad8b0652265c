"""Segments: written from sorted lines, read back in blocks, and refused where they don't hold what was written.

A segment is named by the hash of its lines. Whoever reads one to its end knows that nothing of it was lost or changed;
one that was cut, damaged or replaced is named by the error and never read as a smaller one.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime

import zstandard

from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.core.errors import Corrupt, NotFound
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Segment
from tuneloop.store.objects.bucket import Objects, Packing
from tuneloop.store.objects.image_lines import IMAGE, images_in
from tuneloop.store.objects.stored_lines import content_of

Lines = list[bytes]


def folder_of(tenant: str, dataset: str) -> str:
    """Where a dataset's segments lie."""
    return f"datasets/{tenant}/{dataset}/segments/"


class Writing:
    """A segment that sorted lines are written to; of them only the compressed form is held."""

    def __init__(self) -> None:
        self.examples = self._tokens = 0
        self._images = NO_IMAGES
        self._packing = Packing()

    def is_full(self, more: int) -> bool:
        """Whether so many bytes more are too many; an empty one takes any."""
        return self.examples > 0 and self._packing.bytes + more >= SEGMENT_BYTES

    def add(self, lines: Lines, tokens: int) -> None:
        """Add sorted lines, and the tokens that they have together."""
        for line in lines:
            self._packing.add(line)
        self.examples += len(lines)
        self._tokens += tokens
        self._images += images_in(content_of(line) for line in lines if IMAGE in line)

    def end(self, folder: str, objects: Objects, *, revision: int, without: int, now: datetime) -> Segment:
        """The segment, written to its folder."""
        key, written = objects.put_segment(folder, self._packing)
        return Segment(
            sha256=written.sha256,
            key=key,
            examples=self.examples,
            tokens=self._tokens,
            bytes=written.bytes,
            revision=revision,
            without=without,
            images=self._images,
            created_at=now,
        )


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
    """Lines of a segment in blocks, not proved against its hash: for those who only look."""
    return _split(segment, _unpacked(segment, objects))


def pieces_of(segment: Segment, objects: Objects) -> Iterator[bytes]:
    """Bytes of a segment as they are unpacked; a line may begin in one piece and end in the next."""
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
