"""Compacting: many small segments of a dataset become few, and nothing that anybody reads changes by it.

Of the lines of one example and subject one is kept, that which counts; lines of other subjects are kept beside it,
since theirs is what counts once that subject is erased. Whoever reads an earlier revision still finds what was merged,
for a week.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from tuneloop.domain.datasets import Dataset, Segment
from tuneloop.domain.erasures import Erased
from tuneloop.domain.generations import Generation
from tuneloop.domain.limits import MERGED_KEPT, SEGMENT_BYTES, SEGMENTS_UNMERGED
from tuneloop.store.contents import without
from tuneloop.store.datasets import Datasets
from tuneloop.store.erasures import Erasures
from tuneloop.store.generations import Generations
from tuneloop.store.lines import heads_of
from tuneloop.store.merging import Lines, merged, unique_by_subject
from tuneloop.store.objects import Objects, Packing
from tuneloop.store.segments import blocks_of


def is_due(dataset: Dataset) -> bool:
    """Whether so many segments came since a dataset was last merged that it is read slower for it."""
    return dataset.segments - dataset.merged > SEGMENTS_UNMERGED


def compact(
    dataset: Dataset,
    *,
    datasets: Datasets,
    generations: Generations,
    erasures: Erasures,
    objects: Objects,
    now: datetime,
) -> bool:
    """Merge a dataset as it was read; False, and nothing changed, where somebody else merged or erased meanwhile."""
    place = dataset.tenant, dataset.id
    erased = erasures.after(*place, dataset.cleared)
    segments = datasets.segments(*place, dataset.revision)
    sources = [without(erased, partial(blocks_of, segment, objects)) for segment in segments]
    with merged(sources, unique_by_subject) as blocks:
        made = list(_segments(blocks, dataset, erased, objects, now))
    generation = Generation(
        number=dataset.generation + 1,
        revision=dataset.revision,
        segments=made,
        created_at=now,
    )
    return generations.add(*place, generation, merged=dataset.segments, without=erased.latest)


def retire(dataset: Dataset, *, generations: Generations, now: datetime) -> bool:
    """Forget what was merged long ago; tells whether there was anything."""
    place = dataset.tenant, dataset.id
    old = [each for each in generations.all(*place) if now - each.created_at > MERGED_KEPT]
    if not old or generations.is_retired(*place, old[-1]):
        return False
    generations.retire(*place, old[-1])
    return True


def _segments(
    blocks: Iterator[Lines], dataset: Dataset, erased: Erased, objects: Objects, now: datetime
) -> Iterator[Segment]:
    writing = Merging(dataset, erased, objects, now)
    for block in blocks:
        if writing.is_full(sum(map(len, block))):
            yield writing.end()
            writing = Merging(dataset, erased, objects, now)
        writing.add(block)
    if writing.examples:
        yield writing.end()


class Merging:
    """A segment that lines are merged into; of them only the compressed form is held."""

    def __init__(self, dataset: Dataset, erased: Erased, objects: Objects, now: datetime) -> None:
        self.examples = self._tokens = 0
        self._dataset, self._erased, self._objects, self._now = dataset, erased, objects, now
        self._packing = Packing()

    def is_full(self, more: int) -> bool:
        """Whether so many bytes more are too many; an empty one takes any."""
        return self.examples > 0 and self._packing.bytes + more >= SEGMENT_BYTES

    def add(self, block: Lines) -> None:
        """Add sorted lines."""
        for line in block:
            self._packing.add(line)
        self.examples += len(block)
        self._tokens += sum(head.tokens for head in heads_of(block))

    def end(self) -> Segment:
        """The segment, written."""
        folder = f"datasets/{self._dataset.tenant}/{self._dataset.id}/segments/"
        key, written = self._objects.put_segment(folder, self._packing)
        return Segment(
            sha256=written.sha256,
            key=key,
            examples=self.examples,
            tokens=self._tokens,
            bytes=written.bytes,
            revision=self._dataset.revision,
            without=self._erased.latest,
            created_at=self._now,
        )
