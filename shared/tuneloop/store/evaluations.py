"""Evaluations: their rows, swept while open; what was answered lies in S3, in parts that are written once."""

from collections.abc import Iterator
from datetime import datetime

from tuneloop.domain.errors import NotFound
from tuneloop.domain.evaluation import Evaluation
from tuneloop.domain.events import AnyEvent
from tuneloop.store import keys
from tuneloop.store.table import Listing, Table
from tuneloop.store.writes import Announce, Save, Write


class Evaluations:
    """The evaluations of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, evaluation: str) -> Evaluation | None:
        """The evaluation, if there is one."""
        return self._table.get(keys.evaluation(tenant, evaluation), Evaluation)

    def get(self, tenant: str, evaluation: str) -> Evaluation:
        """The evaluation, or NotFound."""
        if (found := self.find(tenant, evaluation)) is None:
            raise NotFound(f"There is no evaluation {evaluation}.", param="evaluation")
        return found

    def save(self, evaluation: Evaluation, *, event: AnyEvent | None = None, now: datetime) -> Evaluation:
        """Store an evaluation with the event that announces it; gives it back as stored."""
        key = keys.evaluation(evaluation.tenant, evaluation.id)
        index = keys.listed(key.pk, evaluation.created_at, evaluation.id)
        if evaluation.is_open:
            index |= keys.swept(keys.OPEN_EVALUATIONS, evaluation.created_at)
        writes: list[Write] = [Save(key, evaluation, index)]
        if event:
            writes.append(Announce(event, evaluation.seq + 1, now))
        self._table.commit(*writes)
        return evaluation.model_copy(update={"seq": evaluation.seq + 1})

    def page(self, tenant: str, limit: int, cursor: str | None) -> Listing[Evaluation]:
        """A page of a tenant's evaluations, newest first."""
        return self._table.newest(keys.evaluation(tenant, "").pk, Evaluation, limit, cursor)

    def all(self, tenant: str) -> Iterator[Evaluation]:
        """Every evaluation of a tenant."""
        return self._table.all(keys.evaluation(tenant, "").pk, Evaluation)

    def open(self) -> Iterator[Evaluation]:
        """Every open evaluation of every tenant, oldest first."""
        return self._table.all(keys.OPEN_EVALUATIONS, Evaluation, index=keys.SWEEP)
