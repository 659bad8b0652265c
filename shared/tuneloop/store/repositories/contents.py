"""Contents: the examples of a dataset at a revision, as one stream sorted by id, each once and with its decision.

Segments and reviews are both sorted by id, so they are joined while they are read, and nothing is held in memory.
Lines are handed on in blocks and as they are stored, so that a reader parses no more than it needs. Erased examples
that are not yet out of every segment are left out while segments are read.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from tuneloop.domain.datasets.datasets import Segment
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, decision_of
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.merge import k_way_merge
from tuneloop.store.objects.search import Hit, Search
from tuneloop.store.objects.segments import (
    ID,
    Lines,
    Stored,
    blocks_of,
    lines_of,
    read_line,
    read_pieces,
)
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures, exclude_erased
from tuneloop.store.repositories.reviews import Reviews


class Current(NamedTuple):
    """An example as it stands, edited if it was edited, and the decision on it."""

    stored: Stored
    decision: Decision


class Block(NamedTuple):
    """Some examples as lines, in the order of their ids; by place in `lines`, decisions and lines before an edit."""

    lines: Lines
    decisions: dict[int, Decision]
    unedited: dict[int, bytes]


class Contents:
    """Reads the examples of datasets."""

    def __init__(self, datasets: Datasets, reviews: Reviews, objects: Objects, erasures: Erasures) -> None:
        self._datasets, self._reviews, self._objects, self._erasures = datasets, reviews, objects, erasures

    def open_erasures(self, tenant: str, dataset: str) -> ErasureMarks:
        """The erasures for which some segments may still have to be rewritten: readers leave out what they cover."""
        return self._erasures.after(tenant, dataset, self._datasets.get(tenant, dataset).cleared)

    @contextmanager
    def examples(self, tenant: str, dataset: str, revision: int) -> Iterator[Iterator[Current]]:
        """Every example that the dataset held at a revision, by id."""
        with self.blocks(tenant, dataset, revision) as blocks:
            yield (
                Current(read_line(line), block.decisions.get(place, UNDECIDED))
                for block in blocks
                for place, line in enumerate(block.lines)
            )

    @contextmanager
    def blocks(
        self,
        tenant: str,
        dataset: str,
        revision: int,
        erased: ErasureMarks | None = None,
        *,
        already_verified: bool = False,
    ) -> Iterator[Iterator[Block]]:
        """The examples of a revision by id, as blocks of lines; Corrupt at once where a segment is damaged.

        A caller that reads twice and has to find the same examples passes the same `erased` both times, and
        `already_verified` the second time, to save hashing every segment again.
        """
        erased = self.open_erasures(tenant, dataset) if erased is None else erased
        segments = self._datasets.segments(tenant, dataset, revision)
        read = lines_of if already_verified else blocks_of
        sources = [partial(read, segment, self._objects) for segment in segments]
        try:
            with k_way_merge([exclude_erased(erased, source) for source in sources]) as lines:
                yield _join_reviews(lines, self._reviews.all(tenant, dataset, revision, erased))
        except (msgspec.DecodeError, ValueError):
            # A line can't be read: let Corrupt name its segment, if it is damaged.
            for source in sources:
                for _ in source():
                    pass
            raise

    @contextmanager
    def search(
        self,
        tenant: str,
        dataset: str,
        revision: int,
        example_filter: ExampleFilter,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Iterator[Hit]]:
        """The examples that match a filter, by id; `check` is called between blocks, and may raise.

        Segments aren't checked for damage, so that a search is quick.
        """
        erased = self.open_erasures(tenant, dataset)
        decisions = self._reviews.decisions(tenant, dataset, revision, erased)
        search = Search(example_filter, decisions)
        segments = self._datasets.segments(tenant, dataset, revision)
        sources = [partial(self._lines_to_search, segment, erased, search) for segment in segments]
        with k_way_merge(sources) as blocks:
            yield search.hits(blocks, check)

    def _lines_to_search(self, segment: Segment, erased: ErasureMarks, search: Search) -> Iterator[Lines]:
        pieces = read_pieces(segment, self._objects)
        if erased:
            source = exclude_erased(erased, partial(lines_of, segment, self._objects))
            pieces = (b"\n".join([*lines, b""]) for lines in source())
        return search.lines_in(pieces)

    def originals(self, tenant: str, dataset: str, revision: int, ids: Collection[str]) -> dict[str, Stored]:
        """The examples with these ids that the dataset held at a revision, by id, as they were before any edit."""
        encoded_ids = {identity.encode() for identity in ids}
        erased = self.open_erasures(tenant, dataset)
        segments = self._datasets.segments(tenant, dataset, revision)
        sources = [exclude_erased(erased, partial(lines_of, segment, self._objects)) for segment in segments]
        with k_way_merge(sources) as blocks:
            examples = [read_line(line) for block in blocks for line in block if line[ID] in encoded_ids]
        return {example.id: example for example in examples}


def _join_reviews(blocks: Iterator[Lines], reviews: Iterator[Review]) -> Iterator[Block]:
    histories = groupby(reviews, key=attrgetter("example"))
    example, history = next(histories, (None, iter(())))
    for lines in blocks:
        block = Block(lines, {}, {})
        last = lines[-1][ID].decode()
        while example is not None and example <= last:
            _decide(block, example, decision_of(history))
            example, history = next(histories, (None, iter(())))
        yield block


def _decide(block: Block, example: str, decision: Decision) -> None:
    place = bisect_left(block.lines, example.encode(), key=lambda line: line[ID])
    if block.lines[place][ID] == example.encode():
        block.decisions[place] = decision
        if decision.line:
            block.unedited[place] = block.lines[place]
            block.lines[place] = decision.line.encode()
