"""collect-examples: dropped files, posted examples, and reminders to settle a dataset."""

from collections.abc import Callable

from collect_examples.drop import give_up
from collect_examples.file_routes import api
from collect_examples.incoming import receive, receive_unseen
from collect_examples.messages import receive_messages
from collect_examples.settle import settle, settle_all
from tuneloop.app import app, utc_now
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.observability import count
from tuneloop.sweeping import each
from tuneloop.triggers import Batch, Function

handler = Function("collect-examples", api)


@handler.on("drop")
def on_drop(key: str, etag: str, version: str | None) -> None:
    """A file lies in `incoming/`."""
    receive(key, version or etag, version, handler.remaining_s)


@handler.on("batch")
def on_messages(batch: Batch) -> None:
    """Posted examples to collect, and reminders to settle datasets."""
    receive_messages(batch, _settle)


@handler.on("TrainingRunFinished")
def on_run_finished(event: TrainingRunFinished) -> None:
    """Changes that waited for an open run may settle now."""
    _settle(event.tenant, event.dataset)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Give up drops whose reader died, settle what lost its reminder, take files of which no event was heard."""
    steps: list[Callable[[], None]] = [_give_up, _settle_all, lambda: receive_unseen(lambda: handler.remaining_s)]
    each(steps, lambda step: step())


def _give_up() -> None:
    count("DropsGivenUp", give_up(datasets=app.datasets, now=utc_now()))


def _settle(tenant: str, dataset: str) -> None:
    settle(tenant, dataset, settle_s=app.settings.settle_s, datasets=app.datasets, runs=app.runs, now=utc_now())


def _settle_all() -> None:
    tenants, datasets, runs = app.tenants, app.datasets, app.runs
    settle_all(settle_s=app.settings.settle_s, tenants=tenants, datasets=datasets, runs=runs, now=utc_now())
