"""The routes of training runs, base models and the month's budget."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from launch_finetune.base_models import BaseModelView, Default, base_models
from launch_finetune.cancel import Cancellations
from launch_finetune.repeated_calls import RepeatableCall, call_of
from launch_finetune.request import Confirmations, Retries, RunRequest, RunRequests, trains_revision
from tuneloop.api.router import Api, Cursor, IdempotencyKey, Limit, ListOf, Name, RetryCount, list_view, view
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.ids import Name as Id
from tuneloop.domain.training.budgets import MonthlySpending, month_of
from tuneloop.domain.training.model_offers import TrainingHyperparameters
from tuneloop.domain.training.runs import TrainingRun

api = Api(app)

Provider = Annotated[str | None, Query(pattern=PATTERN, description="Only this provider's.")]


class NewTrainingRun(BaseModel):
    """What to train: a dataset is enough; it is frozen as it is now, unless an earlier `revision` or `export` is named.

    Without a `provider` it is the dataset's, and with another one its base model has to be named. `dry_run` as true
    checks the request as a real one is checked and answers with the run that it would give, and nothing is made.
    """

    model_config = ConfigDict(extra="forbid")

    dataset: Id
    provider: Id | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    hyperparameters: TrainingHyperparameters = TrainingHyperparameters()
    revision: int | None = Field(default=None, ge=1, strict=True)
    export: Id | None = None
    dry_run: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _names_one_state(self) -> Self:
        if self.revision and self.export:
            raise ValueError("name a `revision` or an `export`, not both")
        return self


class Retry(BaseModel):
    """How to retry a run; `force` as true trains the same once more where it has succeeded."""

    model_config = ConfigDict(extra="forbid")

    force: bool = Field(default=False, strict=True)


DEFAULT_RETRY = Retry()


@api.route("POST /v1/training-runs", Scope.TRAIN, status=202)
def create_training_run(
    new: NewTrainingRun, idempotency_key: IdempotencyKey = None, retry_count: RetryCount = None
) -> TrainingRun:
    """Train on a dataset; asking again gives the same run, after a failure the next attempt.

    A call that is repeated gives the same attempt, failed or not: by an equal `Idempotency-Key`, or while the dataset
    is the same with the body and API key of one in the ten minutes before, in the hour before as a retry of OpenAI's
    SDKs. What its provider is known not to take, a base model that it doesn't list too, is refused here, before
    anything is uploaded or spent.
    """
    request = RunRequest(
        provider=new.provider,
        base_model=new.base_model,
        hyperparameters=new.hyperparameters.model_dump(exclude_none=True),
        revision=new.revision,
        export=new.export,
        dry_run=new.dry_run,
    )
    dataset, now = app.datasets.get(api.tenant, new.dataset), utc_now()
    requests = RunRequests(app.providers, app.exports, app.runs, now)
    if new.dry_run:
        return view(TrainingRun, requests.resolve(dataset, request))
    call = replace(
        repeatable_call("POST /v1/training-runs", new, idempotency_key, retry_count, now),
        is_still_meant=lambda run: new.export is not None or trains_revision(run, dataset, new.revision),
    )
    run = call.answer(lambda attempt: requests.resolve(dataset, request.model_copy(update=attempt._asdict())))
    return view(TrainingRun, run)


@api.route("GET /v1/training-runs", Scope.READ)
def list_training_runs(limit: Limit = 20, cursor: Cursor = None) -> ListOf[TrainingRun]:
    """The tenant's runs, newest first."""
    return list_view(app.runs.page(api.tenant, limit, cursor), TrainingRun)


@api.route("GET /v1/base-models", Scope.READ)
def list_base_models(provider: Provider = None) -> ListOf[BaseModelView]:
    """What can be trained, where and for how much, with the date and source of every figure; never more than a page."""
    default = Default(app.settings.provider, app.settings.base_model)
    names, shutdowns = app.known_providers.names(), app.provider_rows.shutdowns()
    return ListOf(data=base_models(provider, names, shutdowns, default))


@api.route("POST /v1/training-runs/{run}/confirm", Scope.TRAIN, status=202)
def confirm_training_run(run: Name) -> TrainingRun:
    """Let a run that awaits confirmation spend what it is estimated to cost."""
    confirmed = Confirmations(app.runs, utc_now()).confirm(app.runs.get(api.tenant, run))
    return view(TrainingRun, confirmed)


@api.route("POST /v1/training-runs/{run}/cancel", Scope.TRAIN, status=202)
def cancel_training_run(run: Name) -> TrainingRun:
    """Stop a run wherever it is; its provider is asked to, now if it is there, else as soon as it is.

    A job that had succeeded by then ends as succeeded, and is paid for.
    """
    cancellations = Cancellations(app.providers, app.runs, utc_now(), app.remaining_s)
    return view(TrainingRun, cancellations.cancel(app.runs.get(api.tenant, run)))


@api.route("POST /v1/training-runs/{run}/retry", Scope.TRAIN, status=202)
def retry_training_run(
    run: Name, how: Retry = DEFAULT_RETRY, idempotency_key: IdempotencyKey = None, retry_count: RetryCount = None
) -> TrainingRun:
    """Make the next attempt at what a run was to train, once it has ended; one that is open is given as it is.

    With an `Idempotency-Key` that came before, or within an hour as a retry of OpenAI's SDKs, it gives what was given.
    """
    now = utc_now()
    ended = app.runs.get(api.tenant, run)
    retries = Retries(app.providers, app.runs, now)
    route = f"POST /v1/training-runs/{run}/retry"
    # Each retry has the same empty body, so an equal body doesn't make it a repeat.
    call = replace(repeatable_call(route, how, idempotency_key, retry_count, now), is_same_by_body=False)
    attempt = call.answer(lambda attempt: retries.retry(ended, force=how.force, answering=attempt.answering))
    return view(TrainingRun, attempt)


def repeatable_call(
    route: str, body: BaseModel, idempotency_key: str | None, retry_count: str | None, now: datetime
) -> RepeatableCall:
    """The current request as a call that may be a repeat."""
    call = call_of(
        route,
        body,
        tenant=api.tenant,
        api_key=api.caller.id,
        idempotency_key=idempotency_key,
        retry_count=retry_count,
    )
    return RepeatableCall(call, app.runs, now)


@api.route("GET /v1/budget", Scope.READ)
def get_budget() -> MonthlySpending:
    """What this month's training may cost, what it has cost, and what is reserved for runs that go on.

    Month and budget are of UTC; `limit_usd` and `left_usd` are null without a budget.
    """
    return app.spendings.of(api.tenant, month_of(utc_now()))[0]
