"""The training-run routes: ask for a run, list runs, confirm one that waits for it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from launch_finetune.request import confirm, request_run
from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.ids import Name as Id
from tuneloop.domain.training import Hyperparameters, TrainingRun
from tuneloop.http import Api, Cursor, Limit, ListOf, Name, listed

api = Api(app)


class NewTrainingRun(BaseModel):
    """What to train: a dataset is enough; it is frozen as it is now."""

    model_config = ConfigDict(extra="forbid")

    dataset: Id
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    hyperparameters: Hyperparameters = Hyperparameters()


@api.route("POST /v1/training-runs", Scope.TRAIN, status=202)
def create_training_run(new: NewTrainingRun) -> TrainingRun:
    """Train on a dataset; asking again gives the same run, after a failure the next attempt."""
    chosen: dict[str, Any] = new.hyperparameters.model_dump(exclude_none=True)
    dataset = app.datasets.get(api.tenant, new.dataset)
    run = request_run(
        dataset,
        provider=dataset.provider or app.settings.provider,
        runs=app.runs,
        now=utc_now(),
        base_model=new.base_model,
        hyperparameters=chosen,
        again=True,
    )
    return TrainingRun.model_validate(run.model_dump())


@api.route("GET /v1/training-runs", Scope.READ)
def list_training_runs(limit: Limit = 20, cursor: Cursor = None) -> ListOf[TrainingRun]:
    """The tenant's runs, newest first."""
    return listed(app.runs.page(api.tenant, limit, cursor), TrainingRun)


@api.route("POST /v1/training-runs/{run}/confirm", Scope.TRAIN, status=202)
def confirm_training_run(run: Name) -> TrainingRun:
    """Let a run that awaits confirmation spend what it is estimated to cost."""
    confirmed = confirm(app.runs.get(api.tenant, run), runs=app.runs, now=utc_now())
    return TrainingRun.model_validate(confirmed.model_dump())
