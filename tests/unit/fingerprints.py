"""Fingerprints of a selection's rows, and what those of one export share with those of another."""

from collections.abc import Sequence

from tuneloop.domain.exports.columns import SPLIT_OF, Columns
from tuneloop.domain.exports.columns import Outcome as Is
from tuneloop.domain.exports.fingerprints import Fingerprint, Overlap

SEEN = (Is.TRAIN, Is.VALIDATION)


def fingerprints_of(columns: Columns) -> list[Fingerprint]:
    """What an export stores of its examples, told row by row."""
    return [
        Fingerprint(
            outcome,
            columns.unit[place],
            columns.origin.get(place, 0),
            columns.normal[place],
            columns.subject[place],
            columns.group[place],
            tuple(band[place] for band in columns.bands),
        )
        for place, outcome in enumerate(columns.outcomes)
        if outcome in SPLIT_OF
    ]


def shared(tests: Sequence[Fingerprint], seen: Sequence[Fingerprint]) -> list[set[str]]:
    """For each test row of one export what it shares with the rows that another one trained or validated on."""
    asked = [row for row in tests if row.outcome == Is.TEST]
    overlap = Overlap(asked)
    overlap.add(row for row in seen if row.outcome in SEEN)
    return [overlap.kinds(row) for row in asked]
