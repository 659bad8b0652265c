"""Contents: what a dataset held at a revision, as one stream sorted by id: each example once, with what was decided.

Segments and reviews are both sorted by id, so they are joined as they are read, and nothing is held in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from tuneloop.domain.reviews import UNDECIDED, Decision, Review, decision_of
from tuneloop.store.datasets import Datasets
from tuneloop.store.lines import Stored, read_line
from tuneloop.store.merging import Lines, merged
from tuneloop.store.objects import Objects
from tuneloop.store.reviews import Reviews


class Current(NamedTuple):
    """An example as it stands: edited if it was edited, with what was decided about it."""

    stored: Stored
    decision: Decision


class Contents:
    """What datasets hold."""

    def __init__(self, datasets: Datasets, reviews: Reviews, objects: Objects) -> None:
        self._datasets, self._reviews, self._objects = datasets, reviews, objects

    @contextmanager
    def examples(self, tenant: str, dataset: str, revision: int) -> Iterator[Iterator[Current]]:
        """Every example that the dataset held at a revision, by id."""
        sources = [self._lines(segment.key) for segment in self._datasets.segments(tenant, dataset, revision)]
        with merged(sources) as stored:
            yield _joined(stored, self._reviews.all(tenant, dataset, revision))

    def lines(self, tenant: str, dataset: str, revision: int) -> int:
        """How many lines there are, an example that came twice counted twice."""
        return sum(segment.examples for segment in self._datasets.segments(tenant, dataset, revision))

    def _lines(self, key: str) -> Lines:
        return lambda: self._objects.lines(key)


def _joined(examples: Iterator[Stored], reviews: Iterator[Review]) -> Iterator[Current]:
    histories = groupby(reviews, key=attrgetter("example"))
    example, history = next(histories, (None, iter(())))
    for stored in examples:
        while example is not None and example < stored.id:
            example, history = next(histories, (None, iter(())))
        if example == stored.id:
            decision = decision_of(history)
            yield Current(read_line(decision.line.encode()) if decision.line else stored, decision)
        else:
            yield Current(stored, UNDECIDED)
