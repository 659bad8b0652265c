"""The columns of an export that are kept beside its files: which examples it holds, and their fingerprints.

`members.bin` has nine bytes an example, in the order of ids: the first eight bytes of the id, then the outcome. Ids are
hashes and so evenly spread, which makes an example's place a good guess: one ranged read of some 50 KB finds it among a
million.

`fingerprints.bin` has a row of fixed width for each example that is in a split, by id: its outcome (one byte), its
hashes of prompt, prompt before an edit, conversation, subject and conversation name (eight bytes each), and its bands
of near duplicates (four bytes each) as they were after forms were taken out. Numbers are big-endian. A million examples
take 73 MB and hold no text.
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


HASHES = 5
ROW = Struct(f">B{HASHES}Q{BANDS}I")
SUBJECT_PLACE = 4  # among the numbers of a row
WORD = 8
# Rows are packed and read so many at a time: 1.2 MB, enough for the loops to run in C, little beside the columns.
AT_ONCE = 1 << 14
IN_A_SPLIT = bytes(value in SPLIT_OF for value in range(256))


def fingerprints_key(folder: str) -> str:
    """The key of the fingerprints of the export in a folder."""
    return f"{folder}/fingerprints.bin"


def write_fingerprints(folder: str, columns: Columns, objects: Objects) -> None:
    """Store the fingerprints of a selection's examples that went into a split."""
    upload = objects.upload(fingerprints_key(folder))
    for start in range(0, len(columns), AT_ONCE):
        upload.write(_packed(columns, slice(start, start + AT_ONCE)))
    upload.end()


class Fingerprints:
    """Reads and rewrites the fingerprints of exports: what they trained on, validated on and tested with, as hashes."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def rows(self, export: Export, splits: Collection[Split] = tuple(Split)) -> Iterator[Fingerprint]:
        """The fingerprints of the examples in these splits; NotFound, at the first row, where an export has none.

        Exports that were frozen by older versions have none until `backfill_fingerprints` has made them.
        """
        with self._objects.download(fingerprints_key(export.folder)) as file:
            for packed in iter(lambda: file.read(ROW.size * AT_ONCE), b""):
                for outcome, prompt, origin, exact, subject, conversation, *bands in ROW.iter_unpack(packed):
                    if SPLIT_OF[outcome] in splits:
                        yield Fingerprint(outcome, prompt, origin, exact, subject, conversation, tuple(bands))

    def rewrite(self, export: Export, folder: str, members: Iterable[Member], gone: Collection[bytes]) -> None:
        """Store an export's fingerprints without those of some members in another folder, if it has any."""
        try:
            file = self._objects.download(fingerprints_key(export.folder))
        except NotFound:  # frozen by an older version: they are made from what is left, when they are needed
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
        """Take some subjects' hashes out of an export's fingerprints, if it has any: what they sent others sent too."""
        key, changed = fingerprints_key(export.folder), False
        if not subjects or not self._objects.exists(key):
            return
        with self._objects.download(key) as file, SpooledTemporaryFile(IN_MEMORY_BYTES) as kept:
            for packed in iter(lambda: file.read(ROW.size * AT_ONCE), b""):
                for row in ROW.iter_unpack(packed):
                    is_forgotten = row[SUBJECT_PLACE] in subjects
                    changed = changed or is_forgotten
                    subject = 0 if is_forgotten else row[SUBJECT_PLACE]
                    kept.write(ROW.pack(*row[:SUBJECT_PLACE], subject, *row[SUBJECT_PLACE + 1 :]))
            if changed:
                kept.seek(0)
                self._objects.put(key, kept)


def _packed(columns: Columns, rows: slice) -> bytes:
    """The rows of some examples as stored, filled a byte of every row at a time: row by row takes ten times as long."""
    outcomes = columns.outcomes[rows]
    chosen = bytes(outcomes.translate(IN_A_SPLIT))
    packed = bytearray(ROW.size * sum(chosen))
    packed[0 :: ROW.size] = bytes(compress(outcomes, chosen))
    origins = array("Q", [columns.origin.get(number, 0) for number in range(len(columns))[rows]])
    hashes = [columns.unit[rows], origins, columns.normal[rows], columns.subject[rows], columns.group[rows]]
    place = 1
    for column in hashes:
        place = _fill(packed, place, column, chosen, WORD)
    for column in columns.bands:
        place = _fill(packed, place, column[rows], chosen, BAND_BYTES)
    return bytes(packed)


def _fill(packed: bytearray, place: int, column: "array[int]", chosen: bytes, width: int) -> int:
    """Put the last bytes of each chosen number at a place of each row; gives the place behind them."""
    numbers = array("Q", compress(column, chosen))
    if sys.byteorder == "little":
        numbers.byteswap()
    digits = numbers.tobytes()
    for byte in range(width):
        packed[place + byte :: ROW.size] = digits[WORD - width + byte :: WORD]
    return place + width
