"""Columns: the examples of a dataset as arrays of numbers, for selection, with the outcome of each example.

Examples come sorted by id, and an example's number is its place in that order. Only numbers are kept of an example
(hashes as 64 bits, 0 for none), so that a million examples fit into the memory of a function.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, compress
from operator import eq

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.exports.fingerprints import Fingerprint, KeyFlags


class Outcome(IntEnum):
    """Where an example goes, or why it is left out."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2
    REJECTED = 3
    NOT_APPROVED = 4
    OTHER_CATEGORY = 5
    OTHER_TIME = 6
    LOW_QUALITY = 7
    OTHER_KIND = 8
    TOO_SHORT = 9
    DUPLICATE = 10
    CONFLICTING = 11
    NEAR_DUPLICATE = 12
    OVER_CAP = 13
    KEPT_OUT = 14


OUTCOME_OF = {Split.TRAIN: Outcome.TRAIN, Split.VALIDATION: Outcome.VALIDATION, Split.TEST: Outcome.TEST}
SPLIT_OF = {int(outcome): split for split, outcome in OUTCOME_OF.items()}
ALL_ROWS = slice(None)
# Tables for `bytes.translate`, which turns a million outcomes into flags at the speed of C: 1 where an outcome is a
# split, and 1 where it is the outcome named.
IS_IN_SPLIT = bytes(value in SPLIT_OF for value in range(256))
HAS_OUTCOME = {outcome: bytes(value == outcome for value in range(256)) for outcome in Outcome}
# Bytes of a name's hash: as many as the hashes of prompts have, so that both fit into columns of 64 bits.
NAME_BYTES = 8


@dataclass
class Columns:
    """One array per field, with one place for each example; hashes are 64 bits, 0 for none.

    `outcomes` holds the outcomes of the filters, and after a selection its outcomes. Hashes are named as segments name
    them: `unit` hashes the prompt, `frame` its system prompt and tools, `answer` the answer, `normal` the whole
    conversation, and `group` the name of the conversation. `origin` has the hash of the prompt before an edit, for
    examples whose prompt an edit changed. `marks` are the strictness of the users' split marks (`splits.STRICTNESS`),
    `bands` has one array per MinHash band. `was_test` and `was_seen` flag examples that an earlier export tested with,
    or that tie in with rows that a version has seen.
    """

    outcomes: bytearray = field(default_factory=bytearray)
    marks: bytearray = field(default_factory=bytearray)
    preference: bytearray = field(default_factory=bytearray)
    approved: bytearray = field(default_factory=bytearray)
    feedback: bytearray = field(default_factory=bytearray)  # 1 where an example was made from feedback: never test
    characters: "array[int]" = field(default_factory=lambda: array("Q"))
    tokens: "array[int]" = field(default_factory=lambda: array("Q"))
    ids: "array[int]" = field(default_factory=lambda: array("Q"))
    unit: "array[int]" = field(default_factory=lambda: array("Q"))
    frame: "array[int]" = field(default_factory=lambda: array("Q"))
    answer: "array[int]" = field(default_factory=lambda: array("Q"))
    normal: "array[int]" = field(default_factory=lambda: array("Q"))
    subject: "array[int]" = field(default_factory=lambda: array("Q"))
    group: "array[int]" = field(default_factory=lambda: array("Q"))
    category: "array[int]" = field(default_factory=lambda: array("Q"))
    bands: "list[array[int]]" = field(default_factory=list)
    signatures: bytearray = field(default_factory=bytearray)  # the same number of bytes for each example
    origin: dict[int, int] = field(default_factory=dict)
    was_test: bytes = b""
    was_seen: bytes = b""

    def __len__(self) -> int:
        return len(self.outcomes)

    def live(self) -> Iterator[int]:
        """The numbers of the examples that nothing has left out so far."""
        return compress(range(len(self.outcomes)), self.flags(Outcome.TRAIN))

    def leave_out(self, number: int, reason: Outcome) -> None:
        """Set the outcome of an example to the reason why it is left out."""
        self.outcomes[number] = reason

    def flags(self, outcome: Outcome, rows: slice = ALL_ROWS) -> bytes:
        """One byte for each example of `rows`: 1 if it has the outcome, else 0."""
        return bytes(self.outcomes[rows].translate(HAS_OUTCOME[outcome]))

    def similarity(self, one: int, other: int) -> float:
        """The share of four-bit parts in which the signatures of two examples agree; 1 without signatures."""
        size = len(self.signatures) // len(self)
        first, second = (self.signatures[number * size : (number + 1) * size].hex() for number in (one, other))
        return sum(map(eq, first, second)) / len(first) if size else 1.0

    def mark_former_test(self, held_out: set[int]) -> None:
        """Flag the examples whose prompt, as it is or was before an edit, an earlier export held out for its test."""
        self.was_test = bytes(map(held_out.__contains__, self.unit)) if held_out else bytes(len(self))
        if edited := [number for number, unit in self.origin.items() if unit in held_out]:
            flags = bytearray(self.was_test)
            for number in edited:
                flags[number] = 1
            self.was_test = bytes(flags)

    def mark_seen(self, rows: Iterable[Fingerprint]) -> None:
        """Flag the live examples that share a prompt, subject or conversation name with rows that a version has seen.

        The rows are streamed and never held. Held are the examples' own hashes, in sorted arrays of eight bytes each.
        """
        flags, seen_rows = bytearray(len(self)), iter(rows)
        if first := next(seen_rows, None):
            live = self.flags(Outcome.TRAIN)
            prompts = KeyFlags(chain(compress(self.unit, live), self.origin.values()))
            subjects, conversations = KeyFlags(compress(self.subject, live)), KeyFlags(compress(self.group, live))
            for _, prompt, origin, _, subject, conversation, _ in chain((first,), seen_rows):
                prompts.meet(prompt)
                if origin:  # most rows have no more than a prompt, so this halves the time
                    prompts.meet(origin)
                if subject:
                    subjects.meet(subject)
                if conversation:
                    conversations.meet(conversation)
            for number in self.live():
                subject, conversation = self.subject[number], self.group[number]
                flags[number] = (
                    prompts.is_met(self.unit[number])
                    or (number in self.origin and prompts.is_met(self.origin[number]))
                    or (subject != 0 and subjects.is_met(subject))
                    or (conversation != 0 and conversations.is_met(conversation))
                )
        self.was_seen = bytes(flags)

    def unedited_unit(self, number: int) -> int:
        """The hash of an example's prompt as it was before any edit."""
        return self.origin.get(number, self.unit[number])


def name_number(name: str | None) -> int:
    """The 64-bit hash of the name of a subject, conversation or category; 0 if there is no name."""
    return _hash(name) if name else 0


# One subject or category has thousands of rows, so most names are hashed once; 65,536 hold most datasets' names.
@lru_cache(maxsize=1 << 16)
def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=NAME_BYTES).digest()) or 1  # 0 stands for no name
