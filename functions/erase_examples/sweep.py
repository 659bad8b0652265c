"""The sweep: erasures go on where they were left, and datasets with many segments are merged; each on its own account.

What there is no time left for waits for the next sweep.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar

from erase_examples.compact import CompactDataset, RetireGenerations, is_due
from erase_examples.erase import EraseExamples, concerned_datasets
from erase_examples.finish import FinishErasure
from erase_examples.purge import PurgeSegments
from erase_examples.rewrite import RewriteDataset
from tuneloop.app import app, utc_now
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.runtime.best_effort import for_each

LEAST_S = 300  # a third of the function's time: what a dataset gets at least
T = TypeVar("T")


@dataclass(frozen=True)
class ErasureSweep:
    """One sweep over all that is being erased or has become many: who does it, and how long that may take."""

    owner: str
    remaining_s: Callable[[], float]

    def run(self) -> None:
        """Everything that there is to do, step by step; SweepIncomplete at the end where something failed."""
        steps: list[Callable[[], None]] = [self._exclude, self._rewrite, self._finish, self._compact]
        for_each(steps, lambda step: step())

    def _exclude(self) -> None:
        erasing = EraseExamples(app.erasures, app.datasets, app.generations, app.objects)
        for_each(self._in_time(app.erasures.open()), lambda erasure: erasing.erase(erasure, utc_now()))

    def _rewrite(self) -> None:
        places = set[tuple[str, str]]()
        for erasure in list(app.erasures.open()):
            places.update((erasure.tenant, name) for name in concerned_datasets(erasure, app.datasets))
        for_each(self._in_time(sorted(places)), lambda place: self._rewrite_dataset(*place))

    def _rewrite_dataset(self, tenant: str, name: str) -> None:
        EraseExamples(app.erasures, app.datasets, app.generations, app.objects).exclude(tenant, name, utc_now())
        rewriting = RewriteDataset(
            datasets=app.datasets,
            generations=app.generations,
            reviews=app.reviews,
            exports=app.exports,
            evaluations=app.evaluations,
            models=app.models,
            runs=app.runs,
            erasures=app.erasures,
            membership=app.membership,
            objects=app.objects,
            owner=self.owner,
        )
        rewriting.rewrite(app.datasets.get(tenant, name), utc_now())

    def _finish(self) -> None:
        finishing = FinishErasure(
            datasets=app.datasets,
            generations=app.generations,
            exports=app.exports,
            evaluations=app.evaluations,
            runs=app.runs,
            erasures=app.erasures,
            objects=app.objects,
            providers=app.providers,
            quiet=_quiet(),
        )
        for_each(self._in_time(list(app.erasures.open())), lambda erasure: finishing.finish(erasure, utc_now()))

    def _compact(self) -> None:
        datasets = [dataset for tenant in app.tenants.all() for dataset in app.datasets.all(tenant.id)]
        for_each(self._in_time(datasets), _compact)

    def _in_time(self, items: Iterable[T]) -> Iterator[T]:
        return takewhile(lambda _: self.remaining_s() > LEAST_S, items)


def _quiet() -> timedelta:
    return timedelta(seconds=app.settings.quiet_s)


def _compact(dataset: Dataset) -> None:
    """Merge a dataset if it is due, and delete what was merged long ago."""
    now = utc_now()
    if is_due(dataset):
        CompactDataset(app.datasets, app.generations, app.erasures, app.objects).compact(dataset, now)
    if dataset.generation and RetireGenerations(app.generations).retire(dataset, now):
        PurgeSegments(app.generations, app.objects, _quiet()).purge(dataset.tenant, dataset.id, now)
