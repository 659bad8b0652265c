"""Decompression: the content of a drop as a stream of lines, whatever was put into the bucket under its name.

Nothing here trusts a file. While it is read, its decompressed size is limited, both absolutely and as a multiple of the
object's size (against decompression bombs). A line that is too long is never held in memory. A file that is cut off, or
isn't what its name says, is refused.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import IO, overload

import zstandard

from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.limits import (
    DECOMPRESSED_BYTES,
    DECOMPRESSION_RATIO,
    OBJECT_BYTES,
    RATIO_FLOOR_BYTES,
    ZSTD_WINDOW_BYTES,
)

COMPRESSED_ENDINGS = (".gz", ".zst")
CHUNK_BYTES = 1 << 20  # bounds the memory of reading
# Bytes decompressed at once. Four bytes of Zstandard can stand for 128 KiB (RFC 8878, 3.1.1.2), so 1 KiB gives 32 MiB
# at most.
ZSTD_STEP_BYTES = 1 << 10
GIB = 1 << 30


def is_table(name: str) -> bool:
    """Whether a file is a CSV according to its name, compressed or not."""
    plain = name.lower()
    for ending in COMPRESSED_ENDINGS:
        plain = plain.removesuffix(ending)
    return plain.endswith(".csv")


def decompress(raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """The content of a file of `size` bytes, in pieces; the ending of its name says whether and how it is compressed.

    Raises TooLarge for content beyond the limits, and InvalidInput if it can't be decompressed to its end.
    """
    if size > OBJECT_BYTES:
        message = f"The file has {size:,} bytes; at most {OBJECT_BYTES // GIB} GiB are read. Drop it in parts."
        raise TooLarge(message, code="object_too_large")
    kind = name.lower()
    if kind.endswith(".gz"):
        return _bounded(_gzip(raw), size)
    if kind.endswith(".zst"):
        return _bounded(_zstd(raw), size)
    return chunks(raw)


def chunks(raw: IO[bytes]) -> Iterator[bytes]:
    """A stream's content in pieces of at most 1 MiB."""
    return iter(lambda: raw.read(CHUNK_BYTES), b"")


def _bounded(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Pass pieces on within the limits; raise TooLarge beyond them. `size` is that of the compressed file, in bytes."""
    most_by_ratio = max(RATIO_FLOOR_BYTES, DECOMPRESSION_RATIO * size)
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > DECOMPRESSED_BYTES:
            message = f"The file unpacks to more than {DECOMPRESSED_BYTES // GIB} GiB. Drop it in parts."
            raise TooLarge(message, code="decompressed_too_large")
        if total > most_by_ratio:
            message = (
                f"The file unpacks to more than {DECOMPRESSION_RATIO} times its {size:,} bytes, which no list of "
                "different examples does. If it is one, drop it without compression."
            )
            raise TooLarge(message, code="compression_ratio_too_high")
        yield piece


def _gzip(raw: IO[bytes]) -> Iterator[bytes]:
    file = gzip.GzipFile(fileobj=raw)
    while True:
        try:
            piece = file.read(CHUNK_BYTES)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _corrupt("gzip") from error
        if not piece:
            return
        yield piece


def _zstd(raw: IO[bytes]) -> Iterator[bytes]:
    """Decompress frame by frame, each to its end; zstandard's own reader accepts a frame that is cut off."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame = None
    for step in _slices(chunks(raw), ZSTD_STEP_BYTES):
        rest = step
        while rest:
            frame = frame or decompressor.decompressobj()
            try:
                piece = frame.decompress(rest)
            except zstandard.ZstdError as error:
                raise _window_too_large() if "too much memory" in str(error) else _corrupt("Zstandard") from error
            yield from _slices(iter([piece]), CHUNK_BYTES)
            rest, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame:
        raise _corrupt("Zstandard")


def _slices(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    return (piece[start : start + size] for piece in pieces for start in range(0, len(piece), size))


def _corrupt(kind: str) -> InvalidInput:
    message = (
        f"The file is not {kind}, or not all of it: it could not be unpacked to its end. Compress and drop it again."
    )
    return InvalidInput(message, code="corrupt_compression")


def _window_too_large() -> InvalidInput:
    window = f"a window above {ZSTD_WINDOW_BYTES >> 20} MiB"
    message = f"The file needs {window} to be unpacked. Compress it again without --long and --ultra."
    return InvalidInput(message, code="window_too_large")


@overload
def split_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Split pieces into lines of any length."""


@overload
def split_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes | None]:
    """Split pieces into lines of at most `longest` bytes, None for a longer one."""


def split_lines(pieces: Iterator[bytes], longest: int = sys.maxsize) -> Iterator[bytes | None]:
    """Split pieces into lines without their `\\n`, which the last line may lack; None stands for a longer line."""
    unfinished: list[bytes] = []  # the pieces of a line whose end hasn't been read yet
    size = 0
    for piece in pieces:
        *lines, rest = piece.split(b"\n")
        if lines:
            is_short = size + len(lines[0]) <= longest
            yield b"".join([*unfinished, lines[0]]) if is_short else None
            yield from (line if len(line) <= longest else None for line in islice(lines, 1, None))
            unfinished, size = [], 0
        size += len(rest)
        if size <= longest:
            unfinished.append(rest)
        else:
            unfinished.clear()
    if size:
        yield b"".join(unfinished) if size <= longest else None


def split_blocks(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines of trusted content without their `\\n`, in one list per piece."""
    rest = b""
    for piece in pieces:
        lines = piece.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        if lines:
            yield lines
    if rest:
        yield [rest]
