"""Training runs: stored under ids made from what they are, listed by time, and swept while open."""

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
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Put, Table, Write, each_page
from tuneloop.store.repositories.budgets import reservation, settlement, surcharge
from tuneloop.store.repositories.models import version_writes


class _Place(BaseModel):
    tenant: str
    run: str


# Runs per query of a walk, which may end at any of them.
PAGE = 100


class Runs:
    """The training runs of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, run: str) -> ControlledRun | None:
        """The run, if there is one."""
        return self._table.get(keys.run(tenant, run), ControlledRun)

    def get(self, tenant: str, run: str) -> ControlledRun:
        """The run, or NotFound."""
        if (found := self.find(tenant, run)) is None:
            raise NotFound(f"There is no training run {run}.", param="run")
        return found

    def by_job(self, provider: str, job_id: str) -> ControlledRun | None:
        """The run that a provider's job was adopted for, if there is one."""
        place = self._table.get(keys.job(provider, job_id), _Place)
        return self.find(place.tenant, place.run) if place else None

    def save(
        self,
        run: ControlledRun,
        *,
        event: AnyEvent | None = None,
        now: datetime | None = None,
        answering: AnsweredCall | None = None,
    ) -> ControlledRun:
        """Store a run with the event that announces it, and the call that it answers; gives it back as stored."""
        writes: list[Write] = [_save(run), *([_answer(answering)] if answering else [])]
        if event and now:
            writes.append(EmitEvent(event, run.seq + 1, now))
        self._table.commit(*writes)
        return run.model_copy(update={"seq": run.seq + 1})

    def find_answer(self, tenant: str, call: str) -> AnsweredCall | None:
        """What a call for a run was answered with, if it came before."""
        return self._table.get(keys.run_call(tenant, call), AnsweredCall)

    def answer(self, call: AnsweredCall) -> None:
        """Store what a call was answered with; Stale where it was answered by somebody else since."""
        self._table.commit(_answer(call))

    def reserve(self, run: ControlledRun, spending: Spending) -> ControlledRun:
        """Store a run with what it holds of its month's budget; Stale where either was written in between."""
        self._table.commit(_save(run), *reservation(run, spending))
        return run.model_copy(update={"seq": run.seq + 1})

    def recost(self, run: ControlledRun, more_usd: Decimal) -> ControlledRun:
        """Store a run of which it came to light that it cost more; while it is open its end counts that."""
        self._table.commit(_save(run), *([] if run.is_open else surcharge(run, more_usd)))
        return run.model_copy(update={"seq": run.seq + 1})

    def adopt(self, run: ControlledRun, *, event: AnyEvent | None = None, now: datetime | None = None) -> ControlledRun:
        """Store a run with its job, and where the job's run is found; Stale where somebody else wrote in between."""
        if run.provider_job_id is None:
            raise ValueError(f"run {run.id} has no job")
        place = _Place(tenant=run.tenant, run=run.id)
        writes: list[Write] = [_save(run), Put(keys.job(run.provider, run.provider_job_id), place)]
        if event and now:
            writes.append(EmitEvent(event, run.seq + 1, now))
        self._table.commit(*writes)
        return run.model_copy(update={"seq": run.seq + 1})

    def restore(self, run: ControlledRun, event: AnyEvent, now: datetime) -> ControlledRun:
        """Store a run whose row was lost; its writes are numbered beyond those of the row that there was."""
        begins = int(now.timestamp() // 60)
        place = Put(keys.job(run.provider, run.provider_job_id or ""), _Place(tenant=run.tenant, run=run.id))
        self._table.commit(replace(_save(run), begins=begins), place, EmitEvent(event, begins + 1, now))
        return run.model_copy(update={"seq": begins + 1})

    def finish(
        self, run: ControlledRun, event: AnyEvent, now: datetime, made: tuple[Model, Version, Version | None] | None
    ) -> ControlledRun:
        """Store a run's end with what it cost and what it made: its version, and the base's if its prompt changed."""
        writes: list[Write] = [_save(run), EmitEvent(event, run.seq + 1, now), *settlement(run)]
        if made:
            model, version, base = made
            writes += version_writes(model, version, now)
            writes += _marks(run)
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
        """A tenant's runs behind one of them, newest first, a page at a time; all of them where none is given."""
        cursor = cursor_behind(keys.run(tenant, last.id), _listed(last)) if last else None
        return each_page(lambda at: self.page(tenant, PAGE, at), cursor)

    def open(self) -> Iterator[ControlledRun]:
        """Every open run of every tenant, oldest first."""
        return self._table.all(keys.OPEN_RUNS, ControlledRun, index=keys.SWEEP)


def _answer(call: AnsweredCall) -> ConditionalPut:
    return ConditionalPut(keys.run_call(call.tenant, call.id), call, kept_until=call.at + KEPT)


def _listed(run: ControlledRun) -> dict[str, str]:
    return keys.by_time(keys.run(run.tenant, "").pk, run.created_at, run.id)


def _save(run: ControlledRun) -> ConditionalPut:
    key = keys.run(run.tenant, run.id)
    return ConditionalPut(key, run, _listed(run) | (keys.swept(keys.OPEN_RUNS, run.created_at) if run.is_open else {}))


def _marks(run: ControlledRun) -> list[Write]:
    """The marks of what a run's version has seen: of its own export, and of the one that validated it."""
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
