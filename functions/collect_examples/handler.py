"""collect-examples: datasets and what is sent to them, dropped files, and changes that are due to settle."""

from collections.abc import Callable

from collect_examples.drop import give_up
from collect_examples.incoming import receive, receive_unseen
from collect_examples.openai_files_routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.observability import count
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function
from tuneloop.runtime.settle import settle, settle_all

handler = Function("collect-examples", api)


@handler.on("drop")
def on_drop(key: str, etag: str, version: str | None) -> None:
    """A file lies in `incoming/`."""
    receive(key, version or etag, version, handler.remaining_s)


@handler.on("TrainingRunFinished")
def on_run_finished(event: TrainingRunFinished) -> None:
    """Changes that waited for an open run may settle now."""
    place, settle_s = (event.tenant, event.dataset), app.settings.settle_s
    settle(*place, settle_s=settle_s, datasets=app.datasets, runs=app.runs, now=utc_now())


@handler.on("every-5-minutes")
def sweep() -> None:
    """Give up drops whose reader died, settle what lost its reminder, take files of which no event was heard."""
    steps: list[Callable[[], None]] = [_give_up, _settle_all, lambda: receive_unseen(lambda: handler.remaining_s)]
    for_each(steps, lambda step: step())


def _give_up() -> None:
    count("DropsGivenUp", give_up(datasets=app.datasets, queue=app.examples_queue, now=utc_now()))


def _settle_all() -> None:
    tenants, datasets, runs = app.tenants, app.datasets, app.runs
    settle_all(settle_s=app.settings.settle_s, tenants=tenants, datasets=datasets, runs=runs, now=utc_now())
