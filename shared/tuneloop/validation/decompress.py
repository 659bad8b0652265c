"""Unpacking: a drop as a stream of lines, whatever was put into the bucket under its name.

Nothing here trusts a file. What it grows to is bounded while it is read, by its total and by its ratio to the object's
size; a line that is too long is never held; what ends before its end, or isn't what its name says, is refused.
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

PACKED = (".gz", ".zst")  # how names end that say so
CHUNK_BYTES = 1 << 20
# Four bytes of Zstandard can stand for 128 KiB (RFC 8878, 3.1.1.2): so much at once unpacks to 32 MiB at most.
ZSTD_STEP_BYTES = 1 << 10
GIB = 1 << 30


def is_table(name: str) -> bool:
    """Whether a file's name says that it is a CSV, packed or not."""
    plain = name.lower()
    for ending in PACKED:
        plain = plain.removesuffix(ending)
    return plain.endswith(".csv")


def decompress(raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """The content of a file of `size` bytes in pieces; a name in `.gz` or `.zst` says how it is compressed.

    Raises TooLarge for what grows beyond the limits, and InvalidInput for what can't be unpacked to its end.
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
    """A stream in pieces of at most a MiB."""
    return iter(lambda: raw.read(CHUNK_BYTES), b"")


def _bounded(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    by_ratio = max(RATIO_FLOOR_BYTES, DECOMPRESSION_RATIO * size)
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > DECOMPRESSED_BYTES:
            message = f"The file unpacks to more than {DECOMPRESSED_BYTES // GIB} GiB. Drop it in parts."
            raise TooLarge(message, code="decompressed_too_large")
        if total > by_ratio:
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
    """Frame after frame, each to its end: the library's own reader takes one that was cut off for a whole one."""
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
    """Lines without their `\\n`, the last one even without it; None is one above `longest`, which isn't held."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        if ended:
            whole = size + len(ended[0]) <= longest
            yield b"".join([*held, ended[0]]) if whole else None
            yield from (line if len(line) <= longest else None for line in islice(ended, 1, None))
            held, size = [], 0
        size += len(rest)
        if size <= longest:
            held.append(rest)
        else:
            held.clear()
    if size:
        yield b"".join(held) if size <= longest else None


def split_blocks(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines of trusted content without their `\\n`, those of one piece at a time."""
    rest = b""
    for piece in pieces:
        lines = piece.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        if lines:
            yield lines
    if rest:
        yield [rest]
