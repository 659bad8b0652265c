"""Asking for a run: what somebody wants trained, resolved to dated names and checked before there is a run at all."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from launch_finetune.checks import method_of, missing_at_the_door, refusal_of, refusal_of_export
from launch_finetune.request import expected_method, request_run, revision_of
from launch_finetune.run_options import NOTHING_MORE, RunOptions
from tuneloop.domain.core.errors import InvalidInput, NotFound
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.exports import Export, export_id
from tuneloop.domain.training.jobs import RunError
from tuneloop.domain.training.repeated_calls import AnsweredCall
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.providers.catalog import dated_name
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.runs import Runs


class RunRequest(BaseModel):
    """What is wanted of a dataset's run; the dataset says what is left out.

    With `again` it is the next attempt where the last one failed or was cancelled; `answering` is the call that is to
    be given it. With `dry_run` nothing is stored, and a provider that the stage has no key for is refused too: a real
    run would wait for that key.
    """

    provider: str | None = None
    base_model: str | None = None
    hyperparameters: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    revision: int | None = None
    export: str | None = None
    suffix: str | None = None
    particulars: RunOptions = NOTHING_MORE
    again: bool = True
    answering: AnsweredCall | None = None
    dry_run: bool = False


def resolve_request(
    dataset: Dataset, wanted: RunRequest, *, providers: Providers, exports: Exports, runs: Runs, now: datetime
) -> ControlledRun:
    """The run that is wanted; asking again gives the same one, after a failure the next attempt.

    InvalidInput where it is known already that its provider won't take it, Conflict where there is no such provider.
    """
    at, export = check(dataset, wanted, providers=providers, exports=exports, now=now)
    return request_run(
        dataset,
        provider=at,
        runs=runs,
        now=now,
        revision=wanted.revision,
        export=export if wanted.export else None,
        base_model=wanted.base_model or dataset.base_model,
        hyperparameters=wanted.hyperparameters,
        metadata=wanted.metadata,
        particulars=wanted.particulars,
        method=method_of(export) if export else None,
        again=wanted.again,
        answering=wanted.answering,
        dry_run=wanted.dry_run,
    )


def check(
    dataset: Dataset, wanted: RunRequest, *, providers: Providers, exports: Exports, now: datetime
) -> tuple[str, Export | None]:
    """Refuse what `ask` would, making nothing; else its provider's name, and its export where that is frozen."""
    at = wanted.provider or dataset.provider or providers.default
    provider = providers.get(at)
    if wanted.base_model is None and at != (dataset.provider or providers.default):
        message = f"base_model: name one of {at}'s; the dataset's own is of another provider."
        raise InvalidInput(message, param="base_model", code="missing")
    base_model = dated_name(at, wanted.base_model or dataset.base_model)
    export = _frozen(dataset, wanted, exports)
    refuse(_refusal(provider, base_model, dataset, export, wanted, now))
    refuse(missing_at_the_door(provider, base_model, providers.lists, now, needs_key=wanted.dry_run))
    return at, export


def _frozen(dataset: Dataset, wanted: RunRequest, exports: Exports) -> Export | None:
    """The export that is to be trained on, if it is frozen already; NotFound where the one that was named isn't."""
    if wanted.export:
        return exports.get(dataset.tenant, dataset.id, wanted.export)
    revision = revision_of(dataset, wanted.revision)
    if revision > dataset.revision:
        raise NotFound(f"Dataset {dataset.id} has no revision {revision}.", param="revision")
    return exports.find(
        dataset.tenant, dataset.id, export_id(dataset.tenant, dataset.id, revision, dataset.policy_at(revision))
    )


def _refusal(
    provider: Provider, base_model: str, dataset: Dataset, export: Export | None, wanted: RunRequest, now: datetime
) -> RunError | None:
    method = method_of(export) if export else expected_method(dataset, wanted.revision)
    suffix = dataset.model if wanted.suffix is None else wanted.suffix
    refusal = refusal_of(provider, base_model, method, wanted.hyperparameters, suffix, now)
    if refusal or export is None:
        return refusal
    return refusal_of_export(export, provider.capabilities(base_model))


def refuse(refusal: RunError | None) -> None:
    """Raise a refusal, where there is one."""
    if refusal:
        raise InvalidInput(refusal.message, param=refusal.param, code=refusal.code)
