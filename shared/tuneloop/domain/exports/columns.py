"""Columns: a dataset's examples as selection sees them, and the outcome of each.

Examples come sorted by id and are numbered so; all that is kept of one is numbers (hashes as 64 bits, 0 for none), so
that a million fit into the memory of a function.
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
ALL = slice(None)
TAKEN = bytes(value in SPLIT_OF for value in range(256))  # to translate outcomes: 1 where one is a split
ONLY = {outcome: bytes(value == outcome for value in range(256)) for outcome in Outcome}
NAME_BYTES = 8  # as long as the hashes of prompts are, so that both fit into the same columns


@dataclass
class Columns:
    """One array per field, one place per example; hashes are 64 bits, 0 for none.

    `outcomes` are what the filters decided, then the selection. `unit` is the hash of the prompt, `frame` of its system
    prompt and tools, `answer` of the answer, `normal` of the whole conversation; `group` is its conversation's name.
    `origin` has the hash of the prompt before an edit, where an edit changed it. `marks` are the strictness of the
    users' marks, `bands` one array per MinHash band.
    """

    outcomes: bytearray = field(default_factory=bytearray)
    marks: bytearray = field(default_factory=bytearray)
    preference: bytearray = field(default_factory=bytearray)
    approved: bytearray = field(default_factory=bytearray)
    feedback: bytearray = field(default_factory=bytearray)  # made of what users said about answers: never test
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
    signatures: bytearray = field(default_factory=bytearray)  # as many bytes for each
    origin: dict[int, int] = field(default_factory=dict)
    was_test: bytes = b""
    was_seen: bytes = b""

    def __len__(self) -> int:
        return len(self.outcomes)

    def live(self) -> Iterator[int]:
        """The places of the examples that nothing has left out so far."""
        return compress(range(len(self.outcomes)), self.which(Outcome.TRAIN))

    def leave_out(self, number: int, why: Outcome) -> None:
        """Note why an example is left out."""
        self.outcomes[number] = why

    def which(self, outcome: Outcome, rows: slice = ALL) -> bytes:
        """A byte for each of these examples: 1 where it has the outcome."""
        return bytes(self.outcomes[rows].translate(ONLY[outcome]))

    def similarity(self, one: int, other: int) -> float:
        """The share of four-bit parts in which the signatures of two examples agree; 1 where there are none."""
        size = len(self.signatures) // len(self)
        ours, theirs = (self.signatures[number * size : (number + 1) * size].hex() for number in (one, other))
        return sum(map(eq, ours, theirs)) / len(ours) if size else 1.0

    def note_past(self, held_out: set[int]) -> None:
        """Note the examples whose prompt, as it is or was before an edit, an earlier export took for its test."""
        self.was_test = bytes(map(held_out.__contains__, self.unit)) if held_out else bytes(len(self))
        if was := [number for number, unit in self.origin.items() if unit in held_out]:
            noted = bytearray(self.was_test)
            for number in was:
                noted[number] = 1
            self.was_test = bytes(noted)

    def note_seen(self, rows: Iterable[Fingerprint]) -> None:
        """Note the live examples that share a prompt, subject or conversation name with rows that a version has seen.

        Only the examples' own hashes are held, and the rows stream past them: an array of eight bytes for each hash.
        """
        noted, seen = bytearray(len(self)), iter(rows)
        if first := next(seen, None):
            live = self.which(Outcome.TRAIN)
            prompts = KeyFlags(chain(compress(self.unit, live), self.origin.values()))
            subjects, conversations = KeyFlags(compress(self.subject, live)), KeyFlags(compress(self.group, live))
            for _, prompt, origin, _, subject, conversation, _ in chain((first,), seen):
                prompts.meet(prompt)
                if origin:  # most rows have no more than a prompt, so this halves the time
                    prompts.meet(origin)
                if subject:
                    subjects.meet(subject)
                if conversation:
                    conversations.meet(conversation)
            for number in self.live():
                subject, conversation = self.subject[number], self.group[number]
                noted[number] = (
                    prompts.is_met(self.unit[number])
                    or (number in self.origin and prompts.is_met(self.origin[number]))
                    or (subject != 0 and subjects.is_met(subject))
                    or (conversation != 0 and conversations.is_met(conversation))
                )
        self.was_seen = bytes(noted)

    def first_unit(self, number: int) -> int:
        """An example's prompt as it was before any edit."""
        return self.origin.get(number, self.unit[number])


def name_number(name: str | None) -> int:
    """The 64-bit hash that stands for a subject, conversation or category of this name; 0 for none."""
    return _hash(name) if name else 0


# Rows of one subject or category come by the thousand, and of a dataset's names most fit into as many places.
@lru_cache(maxsize=1 << 16)
def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=NAME_BYTES).digest()) or 1
