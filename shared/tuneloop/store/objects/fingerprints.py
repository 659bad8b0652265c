"""Fingerprints: `fingerprints.bin`, a row of fixed width for each example of an export that is in a split, by id.

A row is the example's outcome (one byte), its hashes of prompt, prompt before an edit, conversation, subject and
conversation name (eight bytes each), and its bands of near duplicates (four bytes each) as they were after forms were
taken out; numbers are big-endian. A million examples take 73 MB and hold no text.
"""

import sys
from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import compress
from struct import Struct
from tempfile import SpooledTemporaryFile

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.exports.columns import SPLIT_OF, Columns
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.store.objects.bucket import IN_MEMORY_BYTES, Objects
from tuneloop.store.objects.export_members import Member
from tuneloop.validation.minhash import BAND_BYTES, BANDS

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
