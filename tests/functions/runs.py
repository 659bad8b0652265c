"""Steps of training runs: asked for, confirmed, cancelled, at the provider, and as they are stored."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.providers import jobs_of, stage_provider
from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.training.runs import TERMINAL, ControlledRun
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete
from tuneloop.store.keys import Key

RUNS = "/v1/training-runs"
LEASE_OVER_S = 331  # one second after the lease of whoever submits a run
CANCEL = "/v1/training-runs/{run}/cancel"


def only_run(world: World) -> dict[str, Any]:
    """The tenant's one run as its user sees it."""
    [run] = steps.runs(world)
    return run


def request_run(world: World, dataset: str = "support", **fields: Any) -> Answer:
    """Ask for a run that trains on a dataset."""
    return world.call("POST /v1/training-runs", RUNS, {"dataset": dataset, **fields})


def confirm_run(world: World, run: str) -> Answer:
    """Confirm what a run will cost."""
    return world.call("POST /v1/training-runs/{run}/confirm", f"{RUNS}/{run}/confirm")


def use_provider(provider: str, base_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stage train at a provider with another price list."""
    monkeypatch.setenv("TUNELOOP_PROVIDER", provider)
    monkeypatch.setenv("TUNELOOP_BASE_MODEL", base_model)
    for cached in ("settings", "providers", "known_providers"):
        app.__dict__.pop(cached, None)


def wait_for_job_end(run: str) -> None:
    """Wait until the provider has ended the one job of a run, well or not."""
    steps.until(lambda: jobs_of(run)[0].status in set(TERMINAL))


def request_cancel(world: World, run: str) -> Answer:
    """Ask for a run to be cancelled, which may be refused."""
    return world.call(f"POST {CANCEL}", CANCEL.replace("{run}", run))


def cancel_run(world: World, run: str) -> dict[str, Any]:
    """A run right after it was cancelled, as its user sees it."""
    answer = request_cancel(world, run)
    assert answer.status == 202, answer.text
    body: dict[str, Any] = answer.body
    return body


def stored_run(world: World) -> ControlledRun:
    """The tenant's one run as it is stored."""
    return app.runs.get(world.tenant, only_run(world)["id"])


def launch_run(world: World, dataset: str = "support") -> ControlledRun:
    """A run on forty questions, submitted to the provider."""
    steps.settled(world, steps.questions(40), dataset)
    return app.runs.get(world.tenant, steps.runs(world)[0]["id"])


def wait_for_job_success(run: ControlledRun) -> None:
    """Wait until the provider says that the job of a run has succeeded."""
    steps.until(lambda: stage_provider().get_job(str(run.provider_job_id), 5).status == "succeeded")


def delete_run(run: ControlledRun, *more: Key) -> None:
    """Delete a run's rows, and more of them, as restoring the table to an earlier moment does."""
    rows = keys.run(run.tenant, run.id), keys.job(run.provider, run.provider_job_id or ""), *more
    app.table.commit(*map(ConditionalDelete, rows))
