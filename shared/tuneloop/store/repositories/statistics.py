"""Statistics: a dataset's figures in one pass over it, and the row that keeps them until the dataset changes.

Where the dataset is frozen as it is, its export says what became of each example, so that both tell the same figures.
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

FORM = 2  # of what is kept: rises where older code counted less or otherwise, and its figures are counted again


class KeptCounts(BaseModel):
    """What was counted of a dataset, when so many erasures had been asked for: a row."""

    counted: Statistics
    erasures: int = 0
    form: int = 1
    seq: int = 0


class KeptStatistics:
    """What was last counted of the datasets of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, dataset: str) -> KeptCounts | None:
        """What was counted last, at whatever revision that was."""
        return self._table.get(keys.statistics(tenant, dataset), KeptCounts)

    def keep(self, tenant: str, dataset: str, kept: KeptCounts) -> None:
        """Store a count in place of the one before, unless somebody else did meanwhile: his is as good."""
        with suppress(Stale):
            self._table.commit(ConditionalPut(keys.statistics(tenant, dataset), kept))


@dataclass(frozen=True)
class ExampleCounts:
    """Counts the examples of datasets, once for each state of one."""

    kept: KeptStatistics
    contents: Contents
    exports: Exports
    membership: Membership

    def of(self, dataset: Dataset, check: Callable[[], None] = lambda: None) -> Statistics:
        """The figures of the dataset as it is now: those that were kept, or counted and kept; `check` may raise."""
        tenant, name, revision = dataset.tenant, dataset.id, dataset.revision
        policy, erased = dataset.policy_at(revision), self.contents.open_erasures(tenant, name)
        export = self.exports.find(tenant, name, export_id(tenant, name, revision, policy))
        kept = self.kept.find(tenant, name)
        counted_of = (revision, erased.latest, FORM, export.id if export else None)
        if kept and (kept.counted.revision, kept.erasures, kept.form, kept.counted.export) == counted_of:
            return kept.counted
        try:
            outcomes = Outcomes(self.membership.all(export) if export else iter(()))
        except NotFound:  # somebody deleted the export's objects, or an erasure moves them right now
            export, outcomes = None, Outcomes(iter(()))
        with self.contents.blocks(tenant, name, revision, erased) as blocks:
            examples = (each for block in blocks for each in _counted(block, outcomes, check))
            counted = compute_statistics(
                examples,
                policy,
                revision=revision,
                updated_at=dataset.changed_at,
                rules=dataset.rules_at(revision),
                export=export,
            )
        row = KeptCounts(counted=counted, erasures=erased.latest, form=FORM, seq=kept.seq if kept else 0)
        self.kept.keep(tenant, name, row)
        return counted


class Outcomes:
    """What an export made of examples, which are asked for in the order of their ids, as they lie in its members."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def of(self, example: str) -> Outcome | None:
        """The outcome of an example; None where the export doesn't have it."""
        wanted = bytes.fromhex(example[: 2 * ID_BYTES])
        while self._next and self._next.id < wanted:
            self._next = next(self._members, None)
        return Outcome(self._next.outcome) if self._next and self._next.id == wanted else None


def _counted(block: Block, outcomes: Outcomes, check: Callable[[], None]) -> Iterator[ExampleRow]:
    check()
    for place, head in enumerate(heads_of(block.lines)):
        candidate = candidate_of(head, block.decisions.get(place, UNDECIDED))
        answer, subject = int(head.answer, 16), name_number(head.subject)
        outcome = outcomes.of(head.id)
        yield ExampleRow(candidate, head.preference, head.tokens, head.characters, answer, subject, outcome)
