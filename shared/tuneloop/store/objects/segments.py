"""Segments: written from sorted lines, read back in blocks, and refused where they don't hold what was written.

A segment is named by the hash of its lines. Whoever reads one to its end knows that nothing of it was lost or changed;
one that was cut, damaged or replaced is named by the error and never read as a smaller one.
"""

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime
from io import BytesIO

import zstandard

from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.core.errors import Corrupt, NotFound
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Segment
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.image_lines import IMAGE, images_in
from tuneloop.store.objects.stored_lines import EncodedLine, content_of
from tuneloop.validation.decompress import split_blocks

Lines = list[bytes]
# Level 3 takes 0.5 s of processor time for 100,000 examples, where gzip takes 4.3 (measured in 2026-11): segments are
# written while their senders wait.
LEVEL = 3


def folder_of(tenant: str, dataset: str) -> str:
    """Where a dataset's segments lie."""
    return f"datasets/{tenant}/{dataset}/segments/"


class SegmentBuilder:
    """A segment under construction: it takes sorted lines, and holds only their compressed form."""

    def __init__(self) -> None:
        self.examples = self._bytes = self._tokens = self._pairs = 0
        self._images = NO_IMAGES
        self._sha256 = hashlib.sha256()
        self._file = BytesIO()
        self._compressor = zstandard.ZstdCompressor(LEVEL).compressobj()

    def has_room(self, size: int) -> bool:
        """Whether `size` bytes of lines more fit in; into an empty segment any lines do."""
        return not self.examples or self._bytes + size < SEGMENT_BYTES

    def add(self, lines: Lines, tokens: int, pairs: int = 0) -> None:
        """Add sorted lines behind those before, and what they have together: tokens, and preference pairs if known."""
        for line in lines:
            ended = line + b"\n"
            self._bytes += len(ended)
            self._sha256.update(ended)
            self._file.write(self._compressor.compress(ended))
        self.examples += len(lines)
        self._tokens += tokens
        self._pairs += pairs
        self._images += images_in(content_of(line) for line in lines if IMAGE in line)

    def write(self, folder: str, objects: Objects, *, revision: int, without: int, now: datetime) -> Segment:
        """Write the segment to its folder; nothing can be added any more."""
        self._file.write(self._compressor.flush())
        self._file.seek(0)
        sha256 = self._sha256.hexdigest()
        return Segment(
            sha256=sha256,
            key=objects.put_segment(folder, sha256, self._file),
            examples=self.examples,
            pairs=self._pairs,
            tokens=self._tokens,
            bytes=self._bytes,
            revision=revision,
            without=without,
            images=self._images,
            created_at=now,
        )


def write_collected(
    lines: Collection[EncodedLine], erased: Erased, folder: str, objects: Objects, now: datetime
) -> Segment:
    """Write collected examples, in any order, as a segment that no revision has yet and that lacks what is `erased`."""
    builder = SegmentBuilder()
    texts = sorted(line.text for line in lines)
    builder.add(texts, sum(line.tokens for line in lines), sum(line.is_pair for line in lines))
    return builder.write(folder, objects, revision=0, without=erased.latest, now=now)


def blocks_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The lines of a segment, sorted, in blocks of about a MiB; Corrupt where they aren't what was written."""
    sha256 = hashlib.sha256()
    count, last = 0, b""
    for block in split_blocks(_hashed(pieces_of(segment, objects), sha256)):
        if block[0] < last or sorted(block) != block:
            raise _corrupt(segment, "its lines are not sorted")
        count, last = count + len(block), block[-1]
        yield block
    if (sha256.hexdigest(), count) != (segment.sha256, segment.examples):
        raise _corrupt(segment, f"it has {count:,} lines, and not the {segment.examples:,} that were written")


def lines_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The lines of a segment in blocks of about a MiB, not proved against its hash: for those who only look."""
    return split_blocks(pieces_of(segment, objects))


def pieces_of(segment: Segment, objects: Objects) -> Iterator[bytes]:
    """The decompressed bytes of a segment; a line may begin in one piece and end in the next. Corrupt if it is cut."""
    last = b"\n"
    try:
        for last in objects.pieces(segment.key):
            yield last
    except zstandard.ZstdError as error:
        raise _corrupt(segment, "it can't be unpacked to its end") from error
    except NotFound as error:
        raise _corrupt(segment, "it is not there, or may not be read") from error
    if not last.endswith(b"\n"):
        raise _corrupt(segment, "its last line is cut off")


def _hashed(pieces: Iterator[bytes], sha256: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        sha256.update(piece)
        yield piece


def _corrupt(segment: Segment, why: str) -> Corrupt:
    message = (
        f"The segment {segment.key} is damaged: {why}. Nothing was made of its dataset. "
        "Restore the object's earlier version, then ask again."
    )
    return Corrupt(message, code="corrupt_segment")
