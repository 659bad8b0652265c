"""The rows of evaluations, swept while open, and of the looks that they take at a dataset's test rows.

The answers lie in S3, in parts that are written once.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import BaseModel

from tuneloop.domain.core.errors import NotFound, Outdated, Stale
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.domain.events import AnyEvent
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, PutOnce, Table, Write
from tuneloop.store.retry import retry_stale

# The gate spends its alpha over 12 looks a year at one test set (docs/design.md), so a look counts for a year.
LOOKS_KEPT = timedelta(days=365)


class _Look(BaseModel):
    """A look's row: its number at its dataset, and when it stops to count, in seconds since 1970."""

    sk: int
    expires_at: int


class Evaluations:
    """The evaluations of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, evaluation: str) -> Evaluation | None:
        """The evaluation, if there is one."""
        return self._table.get(keys.evaluation(tenant, evaluation), Evaluation)

    def get(self, tenant: str, evaluation: str) -> Evaluation:
        """The evaluation, or NotFound."""
        if (stored := self.find(tenant, evaluation)) is None:
            raise NotFound(f"There is no evaluation {evaluation}.", param="evaluation")
        return stored

    def begin(self, evaluation: Evaluation, now: datetime) -> Evaluation:
        """Store an evaluation that is about to ask test rows, with the next look at its dataset unless it has one.

        A look counts for a year; two that are taken at the same time get two numbers. Stale where somebody else wrote
        the evaluation.
        """
        if evaluation.look:
            return self.save(evaluation, now=now)

        def begin() -> Evaluation:
            """One try; Stale where another evaluation took the look's number, Outdated where this one was written."""
            looks = self._looks(evaluation)
            last = max((look.sk for look in looks), default=0)
            key = keys.look(evaluation.tenant, evaluation.dataset, last + 1)
            numbered = evaluation.model_copy(update={"look": _count_valid(looks, now) + 1})
            try:
                return self.save(numbered, now=now, mark=PutOnce(key, now, LOOKS_KEPT))
            except Stale as error:
                if self.get(evaluation.tenant, evaluation.id).seq != evaluation.seq:
                    raise Outdated(str(error)) from error
                raise

        return retry_stale(begin, f"The list of looks at dataset {evaluation.dataset}")

    def next_look(self, evaluation: Evaluation, now: datetime) -> int:
        """The number of the look that an evaluation would take now."""
        return _count_valid(self._looks(evaluation), now) + 1

    def _looks(self, evaluation: Evaluation) -> list[_Look]:
        return list(self._table.all(keys.look(evaluation.tenant, evaluation.dataset, 0).pk, _Look))

    def save(
        self, evaluation: Evaluation, *, event: AnyEvent | None = None, now: datetime, mark: PutOnce | None = None
    ) -> Evaluation:
        """Store an evaluation, with the event that announces it and the mark of its look; returns it as stored."""
        key = keys.evaluation(evaluation.tenant, evaluation.id)
        index = keys.by_time(key.pk, evaluation.created_at, evaluation.id)
        if evaluation.is_open:
            index |= keys.swept(keys.OPEN_EVALUATIONS, evaluation.created_at)
        writes: list[Write] = [ConditionalPut(key, evaluation, index)]
        if event:
            writes.append(EmitEvent(event, evaluation.seq + 1, now))
        if mark:
            writes.append(mark)
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


def _count_valid(looks: list[_Look], now: datetime) -> int:
    """How many looks were taken within a year; DynamoDB deletes rows some days after they have expired."""
    return sum(look.expires_at > now.timestamp() for look in looks)
