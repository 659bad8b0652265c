"""erase-examples: takes erasures by its routes, carries them out every five minutes, and compacts datasets."""

from datetime import timedelta

from erase_examples.compact import CompactDataset, RetireGenerations
from erase_examples.erase import EraseExamples
from erase_examples.finish import FinishErasure
from erase_examples.purge import PurgeSegments
from erase_examples.rewrite import RewriteDataset
from erase_examples.routes import api
from erase_examples.sweep import ErasureSweep
from tuneloop.app import app, utc_now
from tuneloop.runtime.entry_point import Function

handler = Function("erase-examples", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Continue open erasures, and compact datasets with many segments."""
    quiet, generations, objects = timedelta(seconds=app.settings.quiet_s), app.generations, app.objects
    ErasureSweep(
        tenants=app.tenants,
        datasets=app.datasets,
        erasures=app.erasures,
        erase_examples=EraseExamples(app.erasures, app.datasets, generations, objects),
        rewrite_dataset=_rewrite_dataset(),
        finish_erasure=_finish_erasure(quiet),
        compact_dataset=CompactDataset(app.datasets, generations, app.erasures, objects),
        retire_generations=RetireGenerations(generations),
        purge_segments=PurgeSegments(generations, objects, quiet),
        clock=utc_now,
        remaining_s=lambda: handler.remaining_s,
    ).sweep()


def _rewrite_dataset() -> RewriteDataset:
    stores = app.datasets, app.generations, app.reviews, app.exports, app.evaluations, app.models, app.runs
    return RewriteDataset(*stores, app.erasures, app.membership, app.objects, handler.owner)


def _finish_erasure(quiet: timedelta) -> FinishErasure:
    stores = app.datasets, app.generations, app.exports, app.evaluations, app.runs, app.erasures
    return FinishErasure(*stores, app.objects, app.providers, quiet)
