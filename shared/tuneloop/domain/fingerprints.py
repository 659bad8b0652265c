"""Fingerprints: the hashes by which two examples belong together, and the test rows that share one with seen rows.

A version must not be measured on what it has seen: a row of another export whose prompt (as it is, or as it was before
an edit), whole conversation, subject, conversation name or wording it was trained or validated on. These are the ties
by which a selection keeps examples in one split, so an export's own test rows never share one with its training rows.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tuneloop.domain.seen_exports import SeenExport

PROMPT, EXACT, SUBJECT, CONVERSATION, NEAR_DUPLICATE = "prompt", "exact", "subject", "conversation", "near_duplicate"
OVERLAP_KINDS = (PROMPT, EXACT, SUBJECT, CONVERSATION, NEAR_DUPLICATE)


class Fingerprint(NamedTuple):
    """One example of a split: its outcome and hashes of 64 bits, 0 for none.

    `prompt` is hashed as it is, `origin` as it was before an edit; `exact` is the whole conversation. `bands` are those
    of its near duplicates; all are 0 where it fills in a form, since such examples differ in what matters.
    """

    outcome: int
    prompt: int
    origin: int
    exact: int
    subject: int
    conversation: int
    bands: tuple[int, ...]


class TrainedUnits:
    """What versions have seen in some `exports`, as hashes by which an example is known to belong to it."""

    def __init__(self, rows: Iterable[Fingerprint] = (), exports: Iterable[SeenExport] = ()) -> None:
        self.exports = list(exports)
        self.prompts: set[int] = set()
        self.subjects: set[int] = set()
        self.conversations: set[int] = set()
        self.add(rows)

    def add(self, rows: Iterable[Fingerprint]) -> None:
        """Take in rows that a version has seen."""
        for _, prompt, origin, _, subject, conversation, _ in rows:
            self.prompts.update((prompt, origin))
            self.subjects.add(subject)
            self.conversations.add(conversation)
        for keys in (self.prompts, self.subjects, self.conversations):
            keys.discard(0)


UNTRAINED = TrainedUnits()


class Overlap:
    """Which of some test rows share a hash with rows that a version has seen.

    Of the two only the test rows' hashes are held, and the seen rows stream past them. Sorted arrays take eight bytes a
    hash, 100 MB for a million test rows; sets would take more than the function's memory. In return a lookup is a
    binary search: a million seen rows take some 20 s.
    """

    def __init__(self, tests: Iterable[Fingerprint]) -> None:
        columns: dict[tuple[str, int], array[int]] = {}
        for test in tests:
            for family, key in _keys(test):
                columns.setdefault(family, array("Q")).append(key)
        self._keys = {family: array("Q", sorted(set(column))) for family, column in columns.items()}
        self._seen = {family: bytearray(len(keys)) for family, keys in self._keys.items()}

    def add(self, seen: Iterable[Fingerprint]) -> None:
        """Note rows that a version has seen."""
        for row in seen:
            for family, key in _keys(row):
                if (place := self._place(family, key)) is not None:
                    self._seen[family][place] = 1

    def kinds(self, test: Fingerprint) -> set[str]:
        """What one of the test rows shares with the rows seen: some of `OVERLAP_KINDS`, none if it is clean."""
        return {
            family[0]
            for family, key in _keys(test)
            if (place := self._place(family, key)) is not None and self._seen[family][place]
        }

    def _place(self, family: tuple[str, int], key: int) -> int | None:
        keys = self._keys.get(family, ())
        place = bisect_left(keys, key)
        return place if place < len(keys) and keys[place] == key else None


def _keys(row: Fingerprint) -> Iterator[tuple[tuple[str, int], int]]:
    """The hashes of a row that say something, each with the family within which equal ones mean something."""
    named = (
        (PROMPT, row.prompt),
        (PROMPT, row.origin),
        (EXACT, row.exact),
        (SUBJECT, row.subject),
        (CONVERSATION, row.conversation),
    )
    yield from (((kind, 0), key) for kind, key in named if key)
    yield from (((NEAR_DUPLICATE, number), key) for number, key in enumerate(row.bands) if key)
