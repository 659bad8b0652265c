"""Stuck runs: told of once for each time that nothing new comes for too long."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.events import TrainingRunStuck
from tuneloop.domain.training.run_progress import is_silent
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.observability import count
from tuneloop.store.repositories.runs import Runs

LISTEN_AGAIN = timedelta(minutes=30)


def report_if_stuck(
    seen: ControlledRun, ask: Callable[[ControlledRun], ControlledRun], *, runs: Runs, now: datetime
) -> ControlledRun:
    """Ask once more for a run of which nothing new was heard for long, then say that it is stuck (`RunsStuck`).

    One that is stuck already is asked for every half hour, as its steps and losses stand in no list.
    """
    if not is_silent(seen, now):
        return seen
    run = runs.get(seen.tenant, seen.id)
    is_due = run.stuck_since is None or run.checked_at is None or now - run.checked_at >= LISTEN_AGAIN
    run = ask(run) if is_due and is_silent(run, now) else run
    if not is_silent(run, now):
        return run
    count("RunsStuck")
    return run if run.stuck_since else _told(run, runs, now)


def _told(run: ControlledRun, runs: Runs, now: datetime) -> ControlledRun:
    event = TrainingRunStuck(
        tenant=run.tenant,
        run=run.id,
        model=run.model,
        dataset=run.dataset,
        status=run.status,
        last_heard_at=run.last_heard_at,
    )
    try:
        return runs.save(run.model_copy(update={"stuck_since": now}), event=event, now=now)
    except Stale:  # something has come, or somebody else has told of it
        return runs.get(run.tenant, run.id)
