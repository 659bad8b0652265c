"""Members of an export: what became of each example in it, without its content.

Nine bytes an example, in the order of ids: the first eight bytes of the id, then the outcome. Ids are hashes and so
evenly spread, which makes an example's place a good guess: one ranged read of some 50 KB finds it among a million.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

from tuneloop.domain.exports.columns import Columns, Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.store.objects.bucket import Objects

# 64 of the 256 bits of an id: among a million examples two share them in 1 of 40 million cases.
ID_BYTES = 8
WIDTH = ID_BYTES + 1
SPREAD = 3  # a guess is off by less than this many square roots of the number of examples in all but 1 of 10^8 cases
ALL = 1 << 8 * ID_BYTES


def members_key(prefix: str) -> str:
    """The key of the members of the export in a folder."""
    return f"{prefix}/members.bin"


def packed_members(columns: Columns) -> bytes:
    """The members of an export as `members.bin` holds them, filled a byte of every row at a time."""
    ids = array("Q", columns.ids)
    if sys.byteorder == "little":
        ids.byteswap()
    packed, digits = bytearray(WIDTH * len(columns)), ids.tobytes()
    for place in range(ID_BYTES):
        packed[place::WIDTH] = digits[place::ID_BYTES]
    packed[ID_BYTES::WIDTH] = columns.outcomes
    return bytes(packed)


class Member(NamedTuple):
    """The start of an example's id and what became of it."""

    id: bytes
    outcome: int

    @property
    def packed(self) -> bytes:
        """The member as `members.bin` holds it, nine bytes."""
        return self.id + bytes([self.outcome])


class Membership:
    """Reads what became of examples in exports."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self, export: Export) -> Iterator[Member]:
        """Every example of an export, by id."""
        with self._objects.download(members_key(export.folder)) as file:
            for entry in iter(lambda: file.read(WIDTH), b""):
                yield Member(entry[:ID_BYTES], entry[ID_BYTES])

    def outcome_in(self, export: Export, example: str) -> Outcome | None:
        """What became of an example in an export; None where it was not in its dataset then."""
        wanted, key = bytes.fromhex(example[: 2 * ID_BYTES]), members_key(export.folder)
        first, end, reach = 0, export.examples, SPREAD * isqrt(export.examples) + 1
        guess = int.from_bytes(wanted) * end // ALL
        while first < end:
            start, stop = max(guess - reach, first), min(guess + reach, end)
            block = self._objects.part(key, start * WIDTH, (stop - start) * WIDTH)
            ids = [block[place : place + ID_BYTES] for place in range(0, len(block), WIDTH)]
            if ids[0] <= wanted <= ids[-1]:
                place = bisect_left(ids, wanted)
                return Outcome(block[place * WIDTH + ID_BYTES]) if ids[place] == wanted else None
            first, end = (stop, end) if ids[-1] < wanted else (first, start)
            guess = (first + end) // 2
        return None
