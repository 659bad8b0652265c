"""The sweep: erasures go on where they were left, and datasets with many segments are merged; each on its own account.

What there is no time left for waits for the next sweep.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar

from erase_examples.compact import compact, is_due, retire
from erase_examples.erase import concerned, tell
from erase_examples.finish import Finishing
from erase_examples.purge import tidy_segments
from erase_examples.rewrite import Clearing
from erase_examples.routes import worked
from tuneloop.app import app, utc_now
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.runtime.best_effort import for_each

LEAST_S = 300  # a third of the function's time: what a dataset gets at least
T = TypeVar("T")


class Sweep:
    """One sweep: who does it, and how long he may take."""

    def __init__(self, owner: str, remaining_s: Callable[[], float]) -> None:
        self._owner, self._remaining_s = owner, remaining_s

    def run(self) -> None:
        """Everything that there is to do."""
        steps: list[Callable[[], None]] = [self._exclude, self._clear, self._finish, self._merge]
        for_each(steps, lambda step: step())

    def _exclude(self) -> None:
        for_each(self._in_time(app.erasures.open()), lambda erasure: worked(erasure, lambda: None))

    def _clear(self) -> None:
        open_ones = list(app.erasures.open())
        places = {(erasure.tenant, name) for erasure in open_ones for name in concerned(erasure, app.datasets)}
        clearing = Clearing(
            datasets=app.datasets,
            generations=app.generations,
            reviews=app.reviews,
            exports=app.exports,
            evaluations=app.evaluations,
            models=app.models,
            runs=app.runs,
            erasures=app.erasures,
            objects=app.objects,
            owner=self._owner,
            now=utc_now(),
        )
        for_each(self._in_time(sorted(places)), lambda place: _cleared(*place, clearing))

    def _finish(self) -> None:
        finishing = Finishing(
            datasets=app.datasets,
            generations=app.generations,
            exports=app.exports,
            evaluations=app.evaluations,
            runs=app.runs,
            erasures=app.erasures,
            objects=app.objects,
            providers=app.providers,
            quiet=_quiet(),
            now=utc_now(),
        )
        for_each(self._in_time(list(app.erasures.open())), finishing.finish)

    def _merge(self) -> None:
        known = [dataset for tenant in app.tenants.all() for dataset in app.datasets.all(tenant.id)]
        for_each(self._in_time(known), _merged)

    def _in_time(self, items: Iterable[T]) -> Iterator[T]:
        return takewhile(lambda _: self._remaining_s() > LEAST_S, items)


def _quiet() -> timedelta:
    return timedelta(seconds=app.settings.quiet_s)


def _cleared(tenant: str, name: str, clearing: Clearing) -> None:
    tell(
        tenant,
        name,
        erasures=app.erasures,
        datasets=app.datasets,
        generations=app.generations,
        objects=app.objects,
        now=utc_now(),
        check=lambda: None,
    )
    clearing.clear(app.datasets.get(tenant, name))


def _merged(dataset: Dataset) -> None:
    place = dataset.tenant, dataset.id
    if is_due(dataset):
        compact(
            dataset,
            datasets=app.datasets,
            generations=app.generations,
            erasures=app.erasures,
            objects=app.objects,
            now=utc_now(),
        )
    if dataset.generation and retire(dataset, generations=app.generations, now=utc_now()):
        tidy_segments(*place, generations=app.generations, objects=app.objects, quiet=_quiet(), now=utc_now())
