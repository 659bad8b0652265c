"""The first pass of a freeze: a dataset's contents as columns that hold of each example only what selection needs.

Columns are filled a block at a time, hashes straight from their hex digits: making Python's numbers one by one would
cost more than everything else that happens to an example here.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Status
from tuneloop.domain.exports.columns import Columns, name_number
from tuneloop.domain.exports.policy_filter import example_filter
from tuneloop.domain.exports.splits import STRICTNESS
from tuneloop.store.objects.stored_lines import Head, candidate_of, heads_of
from tuneloop.store.repositories.contents import Block
from tuneloop.validation.minhash import BAND_BYTES, BANDS, LIKENESS_DIGITS, SIGNATURE_DIGITS

MARK: dict[str | None, int] = {None: 0} | {split.value: STRICTNESS[split] for split in Split}
# Bytes of a hash in a column: the 64 bits that stored lines hold. Among a million examples the chance that any two
# different texts have the same one is 3 in 100 million (n^2 / 2 / 2^64).
WORD = 8
UNLIKE = "0" * LIKENESS_DIGITS  # of a line that has no bands: 0 is no key, so that it is near no other


def load_columns(blocks: Iterable[Block], policy: Policy) -> Columns:
    """A row for every example of the blocks, with the verdict of the policy's filters as its outcome."""
    columns = Columns(bands=[array("Q") for _ in range(BANDS)])
    for block in blocks:
        heads = heads_of(block.lines)
        decisions = [block.decisions.get(place, UNDECIDED) for place in range(len(heads))]
        for place, line in zip(block.unedited, heads_of(block.unedited.values()), strict=True):
            columns.origin[len(columns) + place] = int(line.unit, 16)
        _add(columns, heads, decisions, policy)
    return columns


def _add(columns: Columns, heads: list[Head], decisions: list[Decision], policy: Policy) -> None:
    rows = list(zip(heads, decisions, strict=True))
    columns.marks.extend([MARK[head.split] for head in heads])
    columns.preference.extend([head.preference for head in heads])
    columns.approved.extend([decision.status == Status.APPROVED for decision in decisions])
    columns.feedback.extend([head.source in FEEDBACK for head in heads])
    columns.characters.extend([head.characters for head in heads])
    columns.tokens.extend([head.tokens for head in heads])
    columns.ids.extend(_words([head.id[: 2 * WORD] for head in heads]))
    columns.unit.extend(_words([head.unit for head in heads]))
    columns.frame.extend(_words([head.frame for head in heads]))
    columns.answer.extend(_words([head.answer for head in heads]))
    columns.normal.extend(_words([head.normal for head in heads]))
    columns.subject.extend([name_number(head.subject) for head in heads])
    columns.group.extend([name_number(head.group) for head in heads])
    columns.category.extend([name_number(decision.category_or(head.category)) for head, decision in rows])
    near = [head.near or UNLIKE for head in heads]
    for column, bands in zip(columns.bands, _bands(near), strict=True):
        column.extend(bands)
    columns.signatures.extend(bytes.fromhex("".join([digits[-SIGNATURE_DIGITS:] for digits in near])))
    outcome_of = example_filter(policy)
    columns.outcomes.extend([outcome_of(candidate_of(head, decision)) for head, decision in rows])


def _words(digits: Sequence[str]) -> "array[int]":
    """Texts of sixteen hex digits as 64-bit numbers."""
    words = array("Q", bytes.fromhex("".join(digits)))
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _bands(digits: Sequence[str]) -> "list[array[int]]":
    """The MinHash bands of texts as numbers, one array per band."""
    packed, width = bytes.fromhex("".join(digits)), LIKENESS_DIGITS // 2
    columns = []
    for first in range(0, BANDS * BAND_BYTES, BAND_BYTES):
        words = bytearray(WORD * len(digits))
        for place in range(BAND_BYTES):  # the last byte of a band is the lowest one of its number
            words[BAND_BYTES - 1 - place :: WORD] = packed[first + place :: width]
        columns.append(array("Q", words))
        if sys.byteorder == "big":
            columns[-1].byteswap()
    return columns
