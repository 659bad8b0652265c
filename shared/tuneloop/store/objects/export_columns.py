"""The two binary objects beside an export's files: the examples that the export is of, and their fingerprints.

`members.bin` has nine bytes for each example, in the order of ids: the first eight bytes of the id, then the outcome.
Ids are hashes and so evenly spread, which lets a reader guess an example's place: one ranged read of some 50 KB finds
an example among a million.

`fingerprints.bin` has a row of fixed width for each example that is in a split, by id: its outcome (one byte), its
hashes of prompt, prompt before an edit, conversation, subject and conversation name (eight bytes each), and its bands
of near duplicates (four bytes each) without those of boilerplate. Numbers are big-endian. A million examples take 73 MB
and hold no text.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from itertools import compress
from math import isqrt
from struct import Struct
from tempfile import SpooledTemporaryFile
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.exports.columns import SPLIT_OF, Columns, Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.store.objects.bucket import IN_MEMORY_BYTES, Objects
from tuneloop.validation.minhash import BAND_BYTES, BANDS

# 64 of the 256 bits of an id: among a million examples two share them in 1 of 40 million cases.
ID_BYTES = 8
ID_RANGE = 1 << 8 * ID_BYTES
MEMBER_BYTES = ID_BYTES + 1
# A guess is off by less than this many square roots of the number of examples in all but 1 of 10^8 cases.
GUESS_SPREAD = 3
# Bytes of a hash in a column: the 64 bits that stored lines hold. Among a million examples the chance that any two
# different texts have the same one is 3 in 100 million (n^2 / 2 / 2^64).
HASH_BYTES = 8
HASHES = 5
ROW = Struct(f">B{HASHES}Q{BANDS}I")
SUBJECT_PLACE = 4  # among the numbers of a row
IN_A_SPLIT = bytes(value in SPLIT_OF for value in range(256))
# Rows are packed and read so many at a time: 1.2 MB, enough for the loops to run in C, little beside the columns.
ROWS_AT_ONCE = 1 << 14


class Member(NamedTuple):
    """One example of an export: the first eight bytes of its id, and its outcome."""

    id: bytes
    outcome: int

    @property
    def packed(self) -> bytes:
        """The member as `members.bin` holds it, nine bytes."""
        return self.id + bytes([self.outcome])


def members_key(folder: str) -> str:
    """The key of the members of the export in a folder."""
    return f"{folder}/members.bin"


def fingerprints_key(folder: str) -> str:
    """The key of the fingerprints of the export in a folder."""
    return f"{folder}/fingerprints.bin"


class Membership:
    """Reads the outcomes of examples in exports."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self, export: Export) -> Iterator[Member]:
        """Every example of an export, by id; NotFound where the export's objects are gone."""
        with self._objects.download(members_key(export.folder)) as file:
            for entry in iter(lambda: file.read(MEMBER_BYTES), b""):
                yield Member(entry[:ID_BYTES], entry[ID_BYTES])

    def outcome_in(self, export: Export, example: str) -> Outcome | None:
        """The outcome of an example in an export; None where the example was not in the dataset then.

        A search by interpolation: each ranged read narrows the part of the list in which the example may be.
        """
        identity, key = bytes.fromhex(example[: 2 * ID_BYTES]), members_key(export.folder)
        first, end, reach = 0, export.examples, GUESS_SPREAD * isqrt(export.examples) + 1
        guess = int.from_bytes(identity) * end // ID_RANGE
        while first < end:
            start, stop = max(guess - reach, first), min(guess + reach, end)
            block = self._objects.part(key, start * MEMBER_BYTES, (stop - start) * MEMBER_BYTES)
            ids = [block[place : place + ID_BYTES] for place in range(0, len(block), MEMBER_BYTES)]
            if ids[0] <= identity <= ids[-1]:
                place = bisect_left(ids, identity)
                return Outcome(block[place * MEMBER_BYTES + ID_BYTES]) if ids[place] == identity else None
            first, end = (stop, end) if ids[-1] < identity else (first, start)
            guess = (first + end) // 2
        return None


class Fingerprints:
    """Reads and rewrites the fingerprints of exports: what they trained on, validated on and tested with, as hashes."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def rows(self, export: Export, splits: Collection[Split] = tuple(Split)) -> Iterator[Fingerprint]:
        """The fingerprints of the examples in these splits; NotFound, at the first row, where an export has none.

        Exports that were frozen by older versions have none until `FingerprintBackfill` has made them.
        """
        with self._objects.download(fingerprints_key(export.folder)) as file:
            for packed in iter(lambda: file.read(ROW.size * ROWS_AT_ONCE), b""):
                for outcome, prompt, origin, exact, subject, conversation, *bands in ROW.iter_unpack(packed):
                    if SPLIT_OF[outcome] in splits:
                        yield Fingerprint(outcome, prompt, origin, exact, subject, conversation, tuple(bands))

    def rewrite(self, export: Export, folder: str, members: Iterable[Member], gone: Collection[bytes]) -> None:
        """Store an export's fingerprints in another folder, without those of the members in `gone`.

        An export without fingerprints gets none: a backfill makes them from what is left, once they are needed.
        """
        try:
            file = self._objects.download(fingerprints_key(export.folder))
        except NotFound:  # frozen by an older version
            return
        with file, SpooledTemporaryFile(IN_MEMORY_BYTES) as kept:
            for member in members:
                if member.outcome in SPLIT_OF:
                    row = file.read(ROW.size)
                    if member.id not in gone:
                        kept.write(row)
            kept.seek(0)
            self._objects.put(fingerprints_key(folder), kept)

    def forget_subjects(self, export: Export, subjects: Collection[int]) -> None:
        """Remove erased subjects' hashes from an export's fingerprints; the rows stay, since others sent them too."""
        key, changed = fingerprints_key(export.folder), False
        if not subjects or not self._objects.exists(key):
            return
        with self._objects.download(key) as file, SpooledTemporaryFile(IN_MEMORY_BYTES) as kept:
            for packed in iter(lambda: file.read(ROW.size * ROWS_AT_ONCE), b""):
                for row in ROW.iter_unpack(packed):
                    is_forgotten = row[SUBJECT_PLACE] in subjects
                    changed = changed or is_forgotten
                    subject = 0 if is_forgotten else row[SUBJECT_PLACE]
                    kept.write(ROW.pack(*row[:SUBJECT_PLACE], subject, *row[SUBJECT_PLACE + 1 :]))
            if changed:
                kept.seek(0)
                self._objects.put(key, kept)


def pack_members(columns: Columns) -> bytes:
    """The members of an export as `members.bin` holds them, filled a byte of every row at a time."""
    ids = array("Q", columns.ids)
    if sys.byteorder == "little":
        ids.byteswap()
    packed, digits = bytearray(MEMBER_BYTES * len(columns)), ids.tobytes()
    for place in range(ID_BYTES):
        packed[place::MEMBER_BYTES] = digits[place::ID_BYTES]
    packed[ID_BYTES::MEMBER_BYTES] = columns.outcomes
    return bytes(packed)


def write_fingerprints(folder: str, columns: Columns, objects: Objects) -> None:
    """Store the fingerprints of a selection's examples that went into a split."""
    upload = objects.upload(fingerprints_key(folder))
    for start in range(0, len(columns), ROWS_AT_ONCE):
        upload.write(_pack_fingerprints(columns, slice(start, start + ROWS_AT_ONCE)))
    upload.end()


def _pack_fingerprints(columns: Columns, rows: slice) -> bytes:
    """Fingerprints as stored, filled a byte of every row at a time: row by row takes ten times as long."""
    outcomes = columns.outcomes[rows]
    chosen = bytes(outcomes.translate(IN_A_SPLIT))
    packed = bytearray(ROW.size * sum(chosen))
    packed[0 :: ROW.size] = bytes(compress(outcomes, chosen))
    origins = array("Q", [columns.origin.get(number, 0) for number in range(len(columns))[rows]])
    hashes = [columns.unit[rows], origins, columns.normal[rows], columns.subject[rows], columns.group[rows]]
    place = 1
    for column in hashes:
        place = _fill(packed, place, column, chosen, HASH_BYTES)
    for column in columns.bands:
        place = _fill(packed, place, column[rows], chosen, BAND_BYTES)
    return bytes(packed)


def _fill(packed: bytearray, place: int, column: "array[int]", chosen: bytes, width: int) -> int:
    """Put the last `width` bytes of each chosen number at a place of each row; returns the place behind them."""
    numbers = array("Q", compress(column, chosen))
    if sys.byteorder == "little":
        numbers.byteswap()
    digits = numbers.tobytes()
    for byte in range(width):
        packed[place + byte :: ROW.size] = digits[HASH_BYTES - width + byte :: HASH_BYTES]
    return place + width
