"""Training runs' rows: stored under ids derived from what defines a run, listed by time, and swept while open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.serving.models import Model, Version
from tuneloop.domain.training.budgets import Spending
from tuneloop.domain.training.repeated_calls import KEPT, AnsweredCall
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.domain.training.trained_exports import TrainedExport, seen_exports
from tuneloop.store import keys
from tuneloop.store.cursors import cursor_behind
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Put, Table, Write, paginate
from tuneloop.store.repositories.budgets import reservation, settlement, surcharge
from tuneloop.store.repositories.models import version_writes

# Runs that a filtered listing reads at a time: as many as the largest page holds, so that one read may suffice.
RUNS_PER_QUERY = 100


class _JobRow(BaseModel):
    """The run of a provider's job."""

    tenant: str
    run: str


class Runs:
    """The training runs of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, run: str) -> ControlledRun | None:
        """The run, if there is one."""
        return self._table.get(keys.run(tenant, run), ControlledRun)

    def get(self, tenant: str, run: str) -> ControlledRun:
        """The run, or NotFound."""
        if (stored := self.find(tenant, run)) is None:
            raise NotFound(f"There is no training run {run}.", param="run")
        return stored

    def by_job(self, provider: str, job_id: str) -> ControlledRun | None:
        """The run of a provider's job, if there is one."""
        row = self._table.get(keys.job(provider, job_id), _JobRow)
        return self.find(row.tenant, row.run) if row else None

    def save(
        self,
        run: ControlledRun,
        *,
        event: AnyEvent | None = None,
        now: datetime | None = None,
        answering: AnsweredCall | None = None,
    ) -> ControlledRun:
        """Store a run with the event that announces it and the call that it answers; returns the run as stored."""
        writes: list[Write] = [_run_write(run), *([_answer_write(answering)] if answering else [])]
        if event and now:
            writes.append(EmitEvent(event, run.seq + 1, now))
        self._table.commit(*writes)
        return run.model_copy(update={"seq": run.seq + 1})

    def find_answer(self, tenant: str, call: str) -> AnsweredCall | None:
        """The stored answer to a call for a run, if the call came before."""
        return self._table.get(keys.run_call(tenant, call), AnsweredCall)

    def answer(self, call: AnsweredCall) -> None:
        """Store the answer to a call; Stale where somebody else has answered the call since it was read."""
        self._table.commit(_answer_write(call))

    def reserve(self, run: ControlledRun, spending: Spending) -> ControlledRun:
        """Store a run with its reservation of the month's budget; Stale where either was written in between."""
        self._table.commit(_run_write(run), *reservation(run, spending))
        return run.model_copy(update={"seq": run.seq + 1})

    def recost(self, run: ControlledRun, more_usd: Decimal) -> ControlledRun:
        """Store a run that turned out to cost more; the month of an ended run counts that now, of an open one later."""
        self._table.commit(_run_write(run), *([] if run.is_open else surcharge(run, more_usd)))
        return run.model_copy(update={"seq": run.seq + 1})

    def adopt(self, run: ControlledRun, *, event: AnyEvent | None = None, now: datetime | None = None) -> ControlledRun:
        """Store a run with its job, and the row by which the job leads to the run; Stale where somebody else wrote."""
        if run.provider_job_id is None:
            raise ValueError(f"run {run.id} has no job")
        job_row = Put(keys.job(run.provider, run.provider_job_id), _JobRow(tenant=run.tenant, run=run.id))
        writes: list[Write] = [_run_write(run), job_row]
        if event and now:
            writes.append(EmitEvent(event, run.seq + 1, now))
        self._table.commit(*writes)
        return run.model_copy(update={"seq": run.seq + 1})

    def restore(self, run: ControlledRun, event: AnyEvent, now: datetime) -> ControlledRun:
        """Store a run whose row was lost; its writes are numbered beyond those of the lost row, whose events remain."""
        begins = int(now.timestamp() // 60)  # the minutes since 1970: no row is written so often
        job_row = Put(keys.job(run.provider, run.provider_job_id or ""), _JobRow(tenant=run.tenant, run=run.id))
        self._table.commit(replace(_run_write(run), begins=begins), job_row, EmitEvent(event, begins + 1, now))
        return run.model_copy(update={"seq": begins + 1})

    def finish(
        self, run: ControlledRun, event: AnyEvent, now: datetime, versions: tuple[Model, Version, Version | None] | None
    ) -> ControlledRun:
        """Store a run's end with its cost, and with the version that it made, if any.

        `versions` are the model, its new version, and its base version where the run's data changed its prompt.
        """
        writes: list[Write] = [_run_write(run), EmitEvent(event, run.seq + 1, now), *settlement(run)]
        if versions:
            model, version, base = versions
            writes += version_writes(model, version, now)
            writes += _training_marks(run)
            if base:
                writes.append(ConditionalPut(keys.version(base.tenant, base.model, base.number), base))
        self._table.commit(*writes)
        return run.model_copy(update={"seq": run.seq + 1})

    def all(self, tenant: str) -> Iterator[ControlledRun]:
        """Every run of a tenant."""
        return self._table.all(keys.run(tenant, "").pk, ControlledRun)

    def page(self, tenant: str, limit: int, cursor: str | None) -> Listing[ControlledRun]:
        """A page of a tenant's runs, newest first."""
        return self._table.newest(keys.run(tenant, "").pk, ControlledRun, limit, cursor)

    def behind(self, tenant: str, last: ControlledRun | None) -> Iterator[ControlledRun]:
        """A tenant's runs behind the `last` one of a page, newest first; all of them where none is given."""
        cursor = cursor_behind(keys.run(tenant, last.id), _list_index(last)) if last else None
        return paginate(lambda at: self.page(tenant, RUNS_PER_QUERY, at), cursor)

    def open(self) -> Iterator[ControlledRun]:
        """Every open run of every tenant, oldest first."""
        return self._table.all(keys.OPEN_RUNS, ControlledRun, index=keys.SWEEP)


def _answer_write(call: AnsweredCall) -> ConditionalPut:
    return ConditionalPut(keys.run_call(call.tenant, call.id), call, kept_until=call.at + KEPT)


def _list_index(run: ControlledRun) -> dict[str, str]:
    return keys.by_time(keys.run(run.tenant, "").pk, run.created_at, run.id)


def _run_write(run: ControlledRun) -> ConditionalPut:
    key = keys.run(run.tenant, run.id)
    return ConditionalPut(
        key, run, _list_index(run) | (keys.swept(keys.OPEN_RUNS, run.created_at) if run.is_open else {})
    )


def _training_marks(run: ControlledRun) -> list[Write]:
    """The marks of the exports that a run's version has seen: its own, and the one that validated it."""
    own, *others = seen_exports(run.dataset, run.export, run)
    return [
        Put(keys.trained_export(run.tenant, own.dataset, own.export), TrainedExport(id=own.export)),
        *(
            Put(
                keys.validated_export(run.tenant, other.dataset, other.export),
                TrainedExport(id=other.export, splits=other.splits),
            )
            for other in others
        ),
    ]
