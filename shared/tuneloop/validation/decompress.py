"""Decompression: a drop as a stream of lines, whatever was put into the bucket under its name.

Nothing here trusts a file. Its decompressed size is bounded while it is read, in all and by its ratio to the object's
size (against decompression bombs); a line that is too long is never held; a file that is cut off, or isn't what its
name says, is refused.
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

PACKED = (".gz", ".zst")  # endings of the names of compressed files
CHUNK_BYTES = 1 << 20
# Four bytes of Zstandard can stand for 128 KiB (RFC 8878, 3.1.1.2): 1 KiB at once decompresses to 32 MiB at most.
ZSTD_STEP_BYTES = 1 << 10
GIB = 1 << 30


def is_table(name: str) -> bool:
    """Whether a file is a CSV by its name, compressed or not."""
    plain = name.lower()
    for ending in PACKED:
        plain = plain.removesuffix(ending)
    return plain.endswith(".csv")


def decompress(raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """The content of a file of `size` bytes, in pieces; its name's ending says how it is compressed, if it is.

    Raises TooLarge for content beyond the limits, and InvalidInput for what can't be decompressed to its end.
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
    """The pieces as long as they keep to the limits; TooLarge beyond them. `size` is that of the compressed file."""
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
    """Decompress frame by frame, each to its end: zstandard's own reader takes a cut-off frame for a whole one."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame = None
    for step in _slices(chunks(raw), ZSTD_STEP_BYTES):
        rest = step
        while rest:
            frame = frame or decompressor.decompressobj()
            try:
                piece = frame.decompress(rest)
            except zstandard.ZstdError as error:
                raise _too_wide() if "too much memory" in str(error) else _corrupt("Zstandard") from error
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


def _too_wide() -> InvalidInput:
    window = f"a window above {ZSTD_WINDOW_BYTES >> 20} MiB"
    message = f"The file needs {window} to be unpacked. Compress it again without --long and --ultra."
    return InvalidInput(message, code="window_too_large")


@overload
def split_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of any length."""


@overload
def split_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes | None]:
    """Lines of at most so many bytes, None for one that is longer."""


def split_lines(pieces: Iterator[bytes], longest: int = sys.maxsize) -> Iterator[bytes | None]:
    """Lines without their `\\n`, a last line without one included; None stands for a line above `longest` bytes."""
    unfinished: list[bytes] = []  # the pieces of a line whose end has not come yet
    size = 0
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        if ended:
            whole = size + len(ended[0]) <= longest
            yield b"".join([*unfinished, ended[0]]) if whole else None
            yield from (line if len(line) <= longest else None for line in islice(ended, 1, None))
            unfinished, size = [], 0
        size += len(rest)
        if size <= longest:
            unfinished.append(rest)
        else:
            unfinished.clear()
    if size:
        yield b"".join(unfinished) if size <= longest else None


def split_blocks(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines of trusted content without their `\\n`, in one list for each piece."""
    rest = b""
    for piece in pieces:
        lines = piece.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        if lines:
            yield lines
    if rest:
        yield [rest]
