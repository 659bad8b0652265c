"""Erasures: their rows, swept while open, and their marks, by which readers leave out what is erased.

Marks are numbered per tenant and never removed.
"""

from collections.abc import Iterator

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.erasures import Erasure, ErasureMark, ErasureMarks
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Listing, Table
from tuneloop.store.objects.merge import Source
from tuneloop.store.objects.segments import unerased_lines
from tuneloop.store.retry import retry_stale

BEHIND_ALL = "~"  # sorts after every number


class Erasures:
    """The erasures of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, erasure: str) -> Erasure | None:
        """The erasure, if it was asked for."""
        return self._table.get(keys.erasure(tenant, erasure), Erasure)

    def get(self, tenant: str, erasure: str) -> Erasure:
        """The erasure, or NotFound."""
        if (stored := self.find(tenant, erasure)) is None:
            raise NotFound(f"There is no erasure {erasure}.", param="erasure")
        return stored

    def add(self, erasure: Erasure) -> Erasure:
        """Store an erasure with its mark, under the tenant's next number; returns the stored one if there is one."""

        def add() -> Erasure:
            """One try; Stale where another erasure took the number, or somebody else asked for this one."""
            if stored := self.find(erasure.tenant, erasure.id):
                return stored
            numbered = erasure.model_copy(update={"number": self._latest(erasure.tenant) + 1})
            fields = numbered.model_dump(include={"number", "dataset", "example", "subject"})
            mark = ErasureMark(erasure=erasure.id, **fields)
            self._table.commit(
                self._save(numbered), ConditionalPut(keys.erasure_mark(erasure.tenant, mark.number), mark)
            )
            return numbered.model_copy(update={"seq": 1})

        return retry_stale(add, "The list of what is erased")

    def save(self, erasure: Erasure) -> Erasure:
        """Store an erasure's progress; returns it as stored."""
        self._table.commit(self._save(erasure))
        return erasure.model_copy(update={"seq": erasure.seq + 1})

    def after(self, tenant: str, dataset: str, number: int, until: int | None = None) -> ErasureMarks:
        """The marks above `number`, up to `until` if it is given, that concern a dataset."""
        first = keys.erasure_mark(tenant, number + 1)
        last = BEHIND_ALL if until is None else keys.erasure_mark(tenant, until).sk
        marks = list(self._table.between(first.pk, first.sk, last, ErasureMark)) if last >= first.sk else []
        latest = max((mark.number for mark in marks), default=number)
        return ErasureMarks(tenant, [mark for mark in marks if mark.dataset in (None, dataset)], latest)

    def page(self, tenant: str, limit: int, cursor: str | None) -> Listing[Erasure]:
        """A page of a tenant's erasures, newest first."""
        return self._table.newest(keys.erasure(tenant, "").pk, Erasure, limit, cursor)

    def open(self) -> Iterator[Erasure]:
        """Every open erasure of every tenant, oldest first."""
        return self._table.all(keys.OPEN_ERASURES, Erasure, index=keys.SWEEP)

    def _latest(self, tenant: str) -> int:
        marks = self._table.page(keys.erasure_mark(tenant, 0).pk, ErasureMark, limit=1, newest_first=True).data
        return marks[0].number if marks else 0

    def _save(self, erasure: Erasure) -> ConditionalPut:
        key = keys.erasure(erasure.tenant, erasure.id)
        index = keys.by_time(key.pk, erasure.requested_at, erasure.id)
        return ConditionalPut(
            key, erasure, index | (keys.swept(keys.OPEN_ERASURES, erasure.requested_at) if erasure.is_open else {})
        )


def exclude_erased(erased: ErasureMarks, source: Source) -> Source:
    """A source of a merge without its erased lines; the source itself where nothing is erased, as mostly."""
    if not erased:
        return source
    return lambda: (lines for block in source() if (lines := unerased_lines(block, erased)))
