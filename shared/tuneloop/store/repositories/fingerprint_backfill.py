"""Backfill: the fingerprints of an export that was frozen before exports had any, made once and kept.

They are made of the dataset as it was at the export's revision, by the export's own members. What can't be read there
any more (it was erased a moment ago, or merged into later revisions) is hashed from the export's own files, which hold
everything but subjects, conversation names and prompts before an edit: of those rows, these are not compared.
"""

from array import array
from collections.abc import Iterator

import orjson

from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.core.errors import Conflict, Corrupt, NotFound
from tuneloop.domain.exports.columns import SPLIT_OF, Columns, Outcome, name_number
from tuneloop.domain.exports.conversions import stored_form
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.selection import forget_boilerplate
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import ID_BYTES, Membership, fingerprints_key, write_fingerprints
from tuneloop.store.objects.segments import Head, heads_of
from tuneloop.store.repositories.contents import Contents
from tuneloop.validation.minhash import BAND_DIGITS, BANDS, minhash_signature

# What the selection had not left out when it told forms from near duplicates.
LEFT_AT_FORMS = {*SPLIT_OF, Outcome.NEAR_DUPLICATE, Outcome.OVER_CAP, Outcome.KEPT_OUT}


def backfill_fingerprints(export: Export, *, contents: Contents, membership: Membership, objects: Objects) -> None:
    """Make an export's fingerprints if it has none; whoever else does so at the same time writes the same."""
    if objects.exists(fingerprints_key(export.folder)):
        return
    rows = _Rows(export, membership)
    rows.read_contents(contents)
    rows.read_files(objects)
    forget_boilerplate(rows.columns, rows.outcomes)
    write_fingerprints(export.folder, rows.columns, objects)


class _Rows:
    """The members of an export that count, with what is known of each; numbers in arrays, so that a million fit."""

    def __init__(self, export: Export, membership: Membership) -> None:
        self._export = export
        self._ids = array("Q")
        self.outcomes = bytearray()
        for member in membership.all(export):
            if member.outcome in LEFT_AT_FORMS:
                self._ids.append(int.from_bytes(member.id))
                self.outcomes.append(member.outcome)
        self._forget()

    def _forget(self) -> None:
        none = bytes(8 * len(self._ids))
        self._known = bytearray(len(self._ids))
        self.columns = Columns(
            outcomes=bytearray(len(self._ids)),
            unit=array("Q", none),
            normal=array("Q", none),
            subject=array("Q", none),
            group=array("Q", none),
            bands=[array("Q", none) for _ in range(BANDS)],
        )

    def read_contents(self, contents: Contents) -> None:
        """Take in what the dataset's revision says, or nothing where it can't be read: merged away, or damaged."""
        number = 0
        try:
            for identity, head, unedited in _heads_in(self._export, contents):  # sorted by id, as members are
                while number < len(self._ids) and self._ids[number] < identity:
                    number += 1
                if number < len(self._ids) and self._ids[number] == identity:
                    self._note(number, head.unit, head.normal, head.near)
                    self.columns.subject[number] = name_number(head.subject)
                    self.columns.group[number] = name_number(head.group)
                    if unedited:
                        self.columns.origin[number] = int(unedited.unit, 16)
        except (NotFound, Conflict, Corrupt):
            self._forget()

    def read_files(self, objects: Objects) -> None:
        """Hash the rows of the export's own files of which nothing is known; they are in the members' order."""
        for split in Split:
            numbers = [number for number, outcome in enumerate(self.outcomes) if SPLIT_OF.get(outcome) == split]
            if all(self._known[number] for number in numbers):
                continue
            for number, line in zip(numbers, objects.lines(self._export.files[split].key), strict=True):
                if not self._known[number]:
                    hashes = example_hashes(Example(id="", content=stored_form(orjson.loads(line))))
                    self._note(
                        number, hashes.prompt_hash, hashes.conversation_hash, minhash_signature(hashes.prompt_text)
                    )

    def _note(self, number: int, prompt: str, exact: str, likeness: str) -> None:
        self._known[number] = 1
        self.columns.unit[number], self.columns.normal[number] = int(prompt, 16), int(exact, 16)
        for place, band in enumerate(self.columns.bands if likeness else ()):
            band[number] = int(likeness[place * BAND_DIGITS : (place + 1) * BAND_DIGITS], 16)


def _heads_in(export: Export, contents: Contents) -> Iterator[tuple[int, Head, Head | None]]:
    """Each example of the revision by the start of its id, with what stood there before it was edited."""
    with contents.blocks(export.tenant, export.dataset, export.revision) as blocks:
        for block in blocks:
            unedited = dict(zip(block.unedited, heads_of(block.unedited.values()), strict=True))
            for place, head in enumerate(heads_of(block.lines)):
                yield int(head.id[: 2 * ID_BYTES], 16), head, unedited.get(place)
