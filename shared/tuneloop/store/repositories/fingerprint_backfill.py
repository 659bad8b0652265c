"""Backfill: the fingerprints of an export that was frozen before exports had any, made once and kept.

They are made from the dataset as it was at the export's revision, for the examples that are the export's members. Rows
that can't be read there any more (erased a moment ago, or merged into later revisions) are hashed from the export's own
files, which hold all but subjects, conversation names and prompts before an edit: these rows aren't compared by those.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.core.errors import Conflict, Corrupt, NotFound
from tuneloop.domain.exports.columns import SPLIT_OF, Columns, Outcome, name_number
from tuneloop.domain.exports.conversions import stored_form
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.selection import forget_boilerplate
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import (
    HASH_BYTES,
    ID_BYTES,
    Membership,
    fingerprints_key,
    write_fingerprints,
)
from tuneloop.store.objects.segments import Head, heads_of
from tuneloop.store.repositories.contents import Contents
from tuneloop.validation.minhash import BAND_DIGITS, BANDS, minhash_signature

# The outcomes of examples that the selection had not left out yet when it looked for boilerplate.
IN_AT_BOILERPLATE = {*SPLIT_OF, Outcome.NEAR_DUPLICATE, Outcome.OVER_CAP, Outcome.KEPT_OUT}


@dataclass(frozen=True)
class FingerprintBackfill:
    """Makes the fingerprints of exports that were frozen without."""

    contents: Contents
    membership: Membership
    objects: Objects

    def backfill(self, export: Export) -> None:
        """Make an export's fingerprints if it has none; processes that do so at the same time write the same bytes.

        NotFound where the export's objects are gone.
        """
        if self.objects.exists(fingerprints_key(export.folder)):
            return
        rows = _Rows(export, self.membership)
        rows.read_contents(self.contents)
        rows.read_files(self.objects)
        forget_boilerplate(rows.columns, rows.outcomes)
        write_fingerprints(export.folder, rows.columns, self.objects)


class _Rows:
    """The members of an export that boilerplate is looked for among, and their hashes; in arrays, so a million fit."""

    def __init__(self, export: Export, membership: Membership) -> None:
        self._export = export
        self._ids = array("Q")
        self.outcomes = bytearray()
        for member in membership.all(export):
            if member.outcome in IN_AT_BOILERPLATE:
                self._ids.append(int.from_bytes(member.id))
                self.outcomes.append(member.outcome)
        self._clear()

    def _clear(self) -> None:
        zeros = bytes(HASH_BYTES * len(self._ids))
        self._is_read = bytearray(len(self._ids))  # by row: 1 once its hashes are in the columns
        self.columns = Columns(
            outcomes=bytearray(len(self._ids)),
            unit=array("Q", zeros),
            normal=array("Q", zeros),
            subject=array("Q", zeros),
            group=array("Q", zeros),
            bands=[array("Q", zeros) for _ in range(BANDS)],
        )

    def read_contents(self, contents: Contents) -> None:
        """Fill the rows from the dataset's revision; none of them where it can't be read: merged away, or damaged."""
        number = 0
        try:
            for identity, head, unedited in _heads_in(self._export, contents):  # sorted by id, as members are
                while number < len(self._ids) and self._ids[number] < identity:
                    number += 1
                if number < len(self._ids) and self._ids[number] == identity:
                    self._fill(number, head.unit, head.normal, head.near)
                    self.columns.subject[number] = name_number(head.subject)
                    self.columns.group[number] = name_number(head.group)
                    if unedited:
                        self.columns.origin[number] = int(unedited.unit, 16)
        except (NotFound, Conflict, Corrupt):
            self._clear()

    def read_files(self, objects: Objects) -> None:
        """Fill the rows that are still empty from the export's own files, whose lines are in the members' order."""
        for split in Split:
            numbers = [number for number, outcome in enumerate(self.outcomes) if SPLIT_OF.get(outcome) == split]
            if all(self._is_read[number] for number in numbers):
                continue
            for number, line in zip(numbers, objects.lines(self._export.files[split].key), strict=True):
                if not self._is_read[number]:
                    hashes = example_hashes(Example(id="", content=stored_form(orjson.loads(line))))
                    signature = minhash_signature(hashes.prompt_text)
                    self._fill(number, hashes.prompt_hash, hashes.conversation_hash, signature)

    def _fill(self, number: int, prompt_hash: str, conversation_hash: str, signature: str) -> None:
        self._is_read[number] = 1
        self.columns.unit[number], self.columns.normal[number] = int(prompt_hash, 16), int(conversation_hash, 16)
        for place, band in enumerate(self.columns.bands if signature else ()):
            band[number] = int(signature[place * BAND_DIGITS : (place + 1) * BAND_DIGITS], 16)


def _heads_in(export: Export, contents: Contents) -> Iterator[tuple[int, Head, Head | None]]:
    """Each example of the revision: the start of its id as a number, its head, and its head before an edit if any."""
    with contents.blocks(export.tenant, export.dataset, export.revision) as blocks:
        for block in blocks:
            unedited = dict(zip(block.unedited, heads_of(block.unedited.values()), strict=True))
            for place, head in enumerate(heads_of(block.lines)):
                yield int(head.id[: 2 * ID_BYTES], 16), head, unedited.get(place)
