"""Statistics: a dataset's figures, counted in one pass, and the row that stores them until the dataset changes.

Where the dataset's current state is frozen, the export gives each example's outcome, so that figures and export agree.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel

from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.reviews import UNDECIDED
from tuneloop.domain.exports.columns import Outcome, name_number
from tuneloop.domain.exports.example_counts import ExampleRow, Statistics, compute_statistics
from tuneloop.domain.exports.exports import export_id
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Table
from tuneloop.store.objects.export_columns import ID_BYTES, Member, Membership
from tuneloop.store.objects.segments import candidate_of, heads_of
from tuneloop.store.repositories.contents import Block, Contents
from tuneloop.store.repositories.exports import Exports

# The version of the stored figures: raised when the code counts more or otherwise, so that older ones are counted anew.
FORM = 2


class StoredStatistics(BaseModel):
    """A row: a dataset's figures, and the number of the latest erasure when they were counted."""

    counted: Statistics
    erasures: int = 0
    form: int = 1
    seq: int = 0


class StatisticsRows:
    """The latest figures of the datasets of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, dataset: str) -> StoredStatistics | None:
        """The figures that were counted last, at whatever revision; None where there are none."""
        return self._table.get(keys.statistics(tenant, dataset), StoredStatistics)

    def save(self, tenant: str, dataset: str, row: StoredStatistics) -> None:
        """Store figures in place of the earlier ones, unless somebody else has stored theirs, which are as good."""
        with suppress(Stale):
            self._table.commit(ConditionalPut(keys.statistics(tenant, dataset), row))


@dataclass(frozen=True)
class ExampleCounts:
    """Counts the examples of datasets, once for each state of a dataset."""

    rows: StatisticsRows
    contents: Contents
    exports: Exports
    membership: Membership

    def of(self, dataset: Dataset, check: Callable[[], None] = lambda: None) -> Statistics:
        """The figures of a dataset as it is now, counted unless they are stored; `check` may raise between blocks."""
        tenant, name, revision = dataset.tenant, dataset.id, dataset.revision
        policy, erased = dataset.policy_at(revision), self.contents.open_erasures(tenant, name)
        export = self.exports.find(tenant, name, export_id(tenant, name, revision, policy))
        stored = self.rows.find(tenant, name)
        state = (revision, erased.latest, FORM, export.id if export else None)
        if stored and (stored.counted.revision, stored.erasures, stored.form, stored.counted.export) == state:
            return stored.counted
        try:
            outcomes = Outcomes(self.membership.all(export) if export else iter(()))
        except NotFound:  # somebody deleted the export's objects, or an erasure moves them right now
            export, outcomes = None, Outcomes(iter(()))
        with self.contents.blocks(tenant, name, revision, erased) as blocks:
            examples = (row for block in blocks for row in _example_rows(block, outcomes, check))
            counted = compute_statistics(
                examples,
                policy,
                revision=revision,
                updated_at=dataset.changed_at,
                rules=dataset.rules_at(revision),
                export=export,
            )
        seq = stored.seq if stored else 0
        self.rows.save(tenant, name, StoredStatistics(counted=counted, erasures=erased.latest, form=FORM, seq=seq))
        return counted


class Outcomes:
    """The outcomes of examples in an export; they have to be asked for in the order of ids, as the members lie."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def of(self, example: str) -> Outcome | None:
        """The outcome of an example; None where the export doesn't have it."""
        identity = bytes.fromhex(example[: 2 * ID_BYTES])
        while self._next and self._next.id < identity:
            self._next = next(self._members, None)
        return Outcome(self._next.outcome) if self._next and self._next.id == identity else None


def _example_rows(block: Block, outcomes: Outcomes, check: Callable[[], None]) -> Iterator[ExampleRow]:
    check()
    for place, head in enumerate(heads_of(block.lines)):
        candidate = candidate_of(head, block.decisions.get(place, UNDECIDED))
        answer, subject = int(head.answer, 16), name_number(head.subject)
        outcome = outcomes.of(head.id)
        yield ExampleRow(candidate, head.preference, head.tokens, head.characters, answer, subject, outcome)
