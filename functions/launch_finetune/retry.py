"""Retrying: the next attempt at what a run was to train, with the same export, provider, base model and settings."""

from datetime import datetime

from launch_finetune.checks import missing_at_the_door, refusal_of
from launch_finetune.request import store_requested
from launch_finetune.resolve_request import refuse
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.training.repeated_calls import AnsweredCall
from tuneloop.domain.training.runs import ControlledRun, RunStatus, attempt_id
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.runs import Runs

DEFINING = (
    *("tenant", "provider", "model", "base_model", "asked_base_model", "method", "hyperparameters", "metadata", "seed"),
    *("dataset", "export", "revision", "validation_dataset", "validation_export", "validation_revision"),
    *("model_is_named", "max_usd"),
)


def retry(
    run: ControlledRun,
    *,
    force: bool = False,
    runs: Runs,
    providers: Providers,
    now: datetime,
    answering: AnsweredCall | None = None,
) -> ControlledRun:
    """The attempt after the last, or the last while it is open. Conflict while the run itself is open.

    After one that has succeeded there is another only with `force`. InvalidInput where its provider wouldn't take it
    any more. `answering` is the call that gets the attempt, stored beside it; Stale where it was answered meanwhile.
    """
    if run.is_open:
        message = f"The run is {run.status}: cancel it first, or wait for its end."
        raise Conflict(message, param="run", code="run_open")
    last = run
    while (later := runs.find(run.tenant, attempt_id(run, last.attempt + 1))) is not None:
        last = later
    if last.is_open:
        return store_requested(last, answering, runs=runs, now=now)
    if last.status == RunStatus.SUCCEEDED and not force:
        message = f"Attempt {last.attempt} has succeeded. Send `force` as true to train the same once more."
        raise Conflict(message, param="force", code="run_succeeded")
    _require_possible(last, providers, now)
    attempt = _next(last, attempt_id(run, last.attempt + 1), now)
    return store_requested(attempt, answering, runs=runs, now=now)


def _require_possible(run: ControlledRun, providers: Providers, now: datetime) -> None:
    """Refuse what would fail again within seconds: a base model that is gone or was never there, a removed provider."""
    provider = providers.get(run.provider)
    refuse(refusal_of(provider, run.base_model, run.method, run.hyperparameters, run.model, now))
    refuse(missing_at_the_door(provider, run.base_model, providers.lists, now))


def _next(last: ControlledRun, identity: str, now: datetime) -> ControlledRun:
    defined = {name: getattr(last, name) for name in DEFINING}
    return ControlledRun(id=identity, attempt=last.attempt + 1, created_at=now, **defined)
