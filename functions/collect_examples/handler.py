"""collect-examples: makes datasets, turns dropped files into examples, and settles datasets that changed."""

from collections.abc import Callable

from collect_examples.datasets import EnsureDataset
from collect_examples.ingest import CollectFile, IngestDrop
from collect_examples.missed_drops import CollectMissedFiles, GiveUpDrops
from collect_examples.openai_files_routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.observability import count
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function
from tuneloop.runtime.settle import SettleDatasets

handler = Function("collect-examples", api)


@handler.on("drop")
def on_drop(key: str, etag: str, version: str | None) -> None:
    """Collect a file that was put under `incoming/`."""
    _collect_file().collect(key, version or etag, version, handler.remaining_s)


@handler.on("TrainingRunFinished")
def on_run_finished(event: TrainingRunFinished) -> None:
    """Settle a dataset whose changes waited for this run to end."""
    _settle_datasets().settle(event.tenant, event.dataset, utc_now())


@handler.on("every-5-minutes")
def sweep() -> None:
    """Give up drops whose reader died, settle datasets whose reminder was lost, collect files without an event."""
    steps: list[Callable[[], None]] = [_give_up, _settle_all, _collect_missed_files]
    for_each(steps, lambda step: step())


def _give_up() -> None:
    count("DropsGivenUp", GiveUpDrops(app.datasets, app.examples_queue).give_up(utc_now()))


def _settle_all() -> None:
    _settle_datasets().settle_all(app.tenants.all(), utc_now())


def _collect_missed_files() -> None:
    after_s, remaining_s = app.settings.unseen_after_s, lambda: handler.remaining_s
    CollectMissedFiles(app.datasets, app.objects, _collect_file(), after_s, remaining_s).collect(utc_now())


def _collect_file() -> CollectFile:
    ensure = EnsureDataset(app.datasets, app.models, app.settings.provider, app.settings.base_model)
    ingest, settle_s = IngestDrop(app.datasets, app.objects, app.erasures, utc_now), app.settings.settle_s
    return CollectFile(app.tenants, app.datasets, ensure, ingest, app.examples_queue, settle_s)


def _settle_datasets() -> SettleDatasets:
    return SettleDatasets(app.datasets, app.runs, app.settings.settle_s)
