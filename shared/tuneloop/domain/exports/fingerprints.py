"""Fingerprints: the hashes by which two examples are tied together, and the search for test rows that were seen before.

A version must not be measured on rows whose prompt (as it is, or as it was before an edit), whole conversation,
subject, conversation name or wording it was trained or validated on. A selection keeps examples with such a tie in one
split, so an export's own test rows never share one with its training rows; rows of another export may.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

PROMPT, EXACT, SUBJECT, CONVERSATION, NEAR_DUPLICATE = "prompt", "exact", "subject", "conversation", "near_duplicate"
OVERLAP_KINDS = (PROMPT, EXACT, SUBJECT, CONVERSATION, NEAR_DUPLICATE)
HASH_BITS = 64
# A bucket of a sorted array holds 8 to 16 hashes. Of a million, a look-up takes 0.8 us with buckets and half as long
# again without; smaller ones would make the buckets' own array a noticeable part of the memory.
BUCKET_BITS = 4
Family = tuple[str, int]  # an overlap kind and the number of the MinHash band, 0 for kinds other than near duplicates


class Fingerprint(NamedTuple):
    """The outcome of one example of a split, and its hashes of 64 bits, 0 for none.

    `prompt` hashes its prompt as it is, `origin` as it was before an edit, `exact` the whole conversation. `bands` are
    its MinHash bands, by which near duplicates are found; all are 0 for an example that fills in a form, since such
    examples are alike but for what matters.
    """

    outcome: int
    prompt: int
    origin: int
    exact: int
    subject: int
    conversation: int
    bands: tuple[int, ...]


class KeyFlags:
    """A set of hashes with a flag for each, set when the hash is met in a stream of rows.

    A sorted array takes eight bytes for a hash and one for its flag; Python sets for a million rows take 245 MB. In
    return a look-up is a binary search within the bucket of the hash's first bits. 0 is no hash and is never met.
    """

    def __init__(self, keys: Iterable[int]) -> None:
        self._keys = array("Q", (key for key, _ in groupby(sorted(keys)) if key))
        self._flags = bytearray(len(self._keys))
        bits = max(0, len(self._keys).bit_length() - BUCKET_BITS)
        self._shift = HASH_BITS - bits
        starts = (bisect_left(self._keys, bucket << self._shift) for bucket in range(1 << bits))
        self._starts = array("Q", [*starts, len(self._keys)])

    def meet(self, key: int) -> None:
        """Set the flag of a hash; a hash that is not in the set is ignored."""
        if (place := self._place(key)) is not None:
            self._flags[place] = 1

    def is_met(self, key: int) -> bool:
        """Whether a hash is in the set and was met."""
        return (place := self._place(key)) is not None and bool(self._flags[place])

    def _place(self, key: int) -> int | None:
        bucket = key >> self._shift
        end = self._starts[bucket + 1]
        place = bisect_left(self._keys, key, self._starts[bucket], end)
        return place if place < end and self._keys[place] == key else None


class Overlap:
    """Finds the test rows that share a hash with rows that a version has seen.

    Of the two only the test rows' hashes are held (100 MB for a million), and the seen rows stream past them, a million
    of them in some 20 s.
    """

    def __init__(self, tests: Iterable[Fingerprint]) -> None:
        columns: dict[Family, array[int]] = {}
        for test in tests:
            for family, key in _hashes_by_family(test):
                columns.setdefault(family, array("Q")).append(key)
        self._flags = {family: KeyFlags(column) for family, column in columns.items()}

    def add(self, seen: Iterable[Fingerprint]) -> None:
        """Note rows that a version has seen."""
        for row in seen:
            for family, key in _hashes_by_family(row):
                if flags := self._flags.get(family):
                    flags.meet(key)

    def kinds(self, test: Fingerprint) -> set[str]:
        """The kinds of hash that a test row shares with the rows seen, of `OVERLAP_KINDS`; none if it is clean."""
        return {family[0] for family, key in _hashes_by_family(test) if self._flags[family].is_met(key)}


def _hashes_by_family(row: Fingerprint) -> Iterator[tuple[Family, int]]:
    """A row's hashes but for zeros, each with its family: equal hashes mean something within one family only."""
    named = (
        (PROMPT, row.prompt),
        (PROMPT, row.origin),
        (EXACT, row.exact),
        (SUBJECT, row.subject),
        (CONVERSATION, row.conversation),
    )
    yield from (((kind, 0), key) for kind, key in named if key)
    yield from (((NEAR_DUPLICATE, number), key) for number, key in enumerate(row.bands) if key)
