"""collect-examples: dropped files, posted examples, and reminders to settle a dataset."""

import json
from collections.abc import Iterable

from collect_examples.collect import collect
from collect_examples.drop import give_up, take
from collect_examples.routes import api, registered
from collect_examples.settle import remind, settle, settle_all
from tuneloop.app import app, utc_now
from tuneloop.domain.datasets import Drop
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.examples import Split
from tuneloop.observability import count
from tuneloop.triggers import Function

handler = Function("collect-examples", api)


@handler.on("drop")
def on_drop(key: str, etag: str, version: str | None) -> None:
    """A file lies in `incoming/`."""
    tenants, datasets = app.tenants, app.datasets
    drop, split = take(key, version or etag, tenants=tenants, datasets=datasets, register=registered, now=utc_now())
    _collect(drop, app.objects.lines(drop.object, version), split)


@handler.on("queue")
def on_message(body: str) -> None:
    """Posted examples to collect, or a reminder to settle a dataset."""
    match json.loads(body):
        case {"settle": {"tenant": tenant, "dataset": dataset}}:
            _settle(tenant, dataset)
        case {"collect": {"tenant": tenant, "dataset": dataset, "drop": drop, "lines": text}}:
            _collect(app.datasets.drop(tenant, dataset, drop), text.encode().split(b"\n"))
        case _:
            raise ValueError("this queue has no such message")


@handler.on("TrainingRunFinished")
def on_run_finished(event: TrainingRunFinished) -> None:
    """Changes that waited for an open run may settle now."""
    _settle(event.tenant, event.dataset)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Give up drops whose reader died, settle what lost its reminder."""
    count("DropsGivenUp", give_up(datasets=app.datasets, now=utc_now()))
    tenants, datasets, runs = app.tenants, app.datasets, app.runs
    settle_all(settle_s=app.settings.settle_s, tenants=tenants, datasets=datasets, runs=runs, now=utc_now())


def _collect(drop: Drop, lines: Iterable[bytes], split: Split | None = None) -> None:
    collect(drop, lines, split, datasets=app.datasets, objects=app.objects, clock=utc_now)
    remind(app.datasets.get(*drop.place), settle_s=app.settings.settle_s, queue=app.examples_queue)


def _settle(tenant: str, dataset: str) -> None:
    settle(tenant, dataset, settle_s=app.settings.settle_s, datasets=app.datasets, runs=app.runs, now=utc_now())
