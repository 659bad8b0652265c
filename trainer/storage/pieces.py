"""Several files read one after the other as one, piece by piece."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_READ_BYTES = 1024 * 1024


class Joined:
    """Several files read one after the other as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._pieces = _pieces_of(paths)
        self._rest = b""

    def read(self, size: int = _READ_BYTES) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def md5_of(paths: Sequence[Path]) -> str:
    """Return the hex MD5 of several files one after the other."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _pieces_of(paths):
        digest.update(piece)
    return digest.hexdigest()


def _pieces_of(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                yield piece
