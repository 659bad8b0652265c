"""Contents: what a dataset held at a revision, as one stream sorted by id: each example once, with what was decided.

Segments and reviews are both sorted by id, so they are joined as they are read, and nothing is held in memory. Lines
move in blocks and as they are stored, so that whoever wants little of them parses little. What was erased and is not
yet out of every segment is left out while they are read.
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
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, decision_of
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.merge import Lines, Source, k_way_merge
from tuneloop.store.objects.search import Hit, Search
from tuneloop.store.objects.segments import ID, Stored, blocks_of, kept_lines, lines_of, pieces_of, read_line
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.reviews import Reviews


class Current(NamedTuple):
    """An example as it stands: edited if it was edited, with what was decided about it."""

    stored: Stored
    decision: Decision


class Block(NamedTuple):
    """Some examples in the order of their ids, as lines; by place in it what was decided, and lines before an edit."""

    lines: Lines
    decisions: dict[int, Decision]
    unedited: dict[int, bytes]


class Contents:
    """What datasets hold."""

    def __init__(self, datasets: Datasets, reviews: Reviews, objects: Objects, erasures: Erasures) -> None:
        self._datasets, self._reviews, self._objects, self._erasures = datasets, reviews, objects, erasures

    def open_erasures(self, tenant: str, dataset: str) -> Erased:
        """What is to be left out while the dataset's segments are read, since they may still hold it."""
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
        self, tenant: str, dataset: str, revision: int, erased: Erased | None = None, *, are_proved: bool = False
    ) -> Iterator[Iterator[Block]]:
        """The examples of a revision by id, as blocks of lines; Corrupt at once where a segment is damaged.

        Who reads twice and has to find the same both times gives what is `erased`, and needs no second proof.
        """
        erased = self.open_erasures(tenant, dataset) if erased is None else erased
        segments = self._datasets.segments(tenant, dataset, revision)
        read = lines_of if are_proved else blocks_of
        sources = [partial(read, segment, self._objects) for segment in segments]
        try:
            with k_way_merge([without(erased, source) for source in sources]) as lines:
                yield _joined(lines, self._reviews.all(tenant, dataset, revision, erased))
        except (msgspec.DecodeError, ValueError):  # a line makes no sense: say which segment it comes from
            for source in sources:
                for _ in source():
                    pass
            raise

    @contextmanager
    def found(
        self, tenant: str, dataset: str, revision: int, wanted: ExampleFilter, check: Callable[[], None] = lambda: None
    ) -> Iterator[Iterator[Hit]]:
        """The examples that are wanted, by id; `check` is called between blocks, and may raise.

        That no segment was damaged isn't proved here: a look into the data must be quick.
        """
        erased = self.open_erasures(tenant, dataset)
        decisions = self._reviews.decisions(tenant, dataset, revision, erased)
        search = Search(wanted, decisions)
        segments = self._datasets.segments(tenant, dataset, revision)
        sources = [partial(self._sought, segment, erased, search) for segment in segments]
        with k_way_merge(sources) as blocks:
            yield search.hits(blocks, check)

    def _sought(self, segment: Segment, erased: Erased, search: Search) -> Iterator[Lines]:
        pieces = pieces_of(segment, self._objects)
        if erased:
            kept = without(erased, partial(lines_of, segment, self._objects))
            pieces = (b"\n".join([*lines, b""]) for lines in kept())
        return search.lines_in(pieces)

    def originals(self, tenant: str, dataset: str, revision: int, ids: Collection[str]) -> dict[str, Stored]:
        """Those of some examples that the dataset held at a revision, as they were collected."""
        wanted = {each.encode() for each in ids}
        with k_way_merge(self._quick(tenant, dataset, revision, self.open_erasures(tenant, dataset))) as blocks:
            found = [read_line(line) for block in blocks for line in block if line[ID] in wanted]
        return {stored.id: stored for stored in found}

    def _quick(self, tenant: str, dataset: str, revision: int, erased: Erased) -> list[Source]:
        segments: list[Segment] = self._datasets.segments(tenant, dataset, revision)
        return [without(erased, partial(lines_of, segment, self._objects)) for segment in segments]


def without(erased: Erased, source: Source) -> Source:
    """A source without the lines that are erased; most often none is."""
    if not erased:
        return source
    return lambda: (kept for block in source() if (kept := kept_lines(block, erased)))


def _joined(blocks: Iterator[Lines], reviews: Iterator[Review]) -> Iterator[Block]:
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
