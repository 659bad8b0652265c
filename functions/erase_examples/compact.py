"""Compaction: many small segments of a dataset become few, and nothing that anybody reads changes by it.

Of the lines of one example and subject one is kept, that which counts; lines of other subjects are kept beside it,
since theirs is what counts once that subject is erased. Whoever reads an earlier revision still finds what was merged,
for a week.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from tuneloop.domain.core.limits import MERGED_KEPT, SEGMENTS_UNMERGED
from tuneloop.domain.datasets.datasets import Dataset, Generation, Segment
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.merge import k_way_merge, unique_by_subject
from tuneloop.store.objects.segments import Lines, SegmentBuilder, blocks_of, folder_of, tokens_in
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures, exclude_erased
from tuneloop.store.repositories.generations import Generations


def is_due(dataset: Dataset) -> bool:
    """Whether so many segments came since a dataset was last merged that it is read slower for it."""
    return dataset.segments - dataset.merged > SEGMENTS_UNMERGED


@dataclass(frozen=True)
class CompactDataset:
    """Merges the segments of a dataset into a new generation."""

    datasets: Datasets
    generations: Generations
    erasures: Erasures
    objects: Objects

    def compact(self, dataset: Dataset, now: datetime) -> bool:
        """Merge a dataset as it was read; False, and nothing is changed, if somebody merged or erased meanwhile."""
        place = dataset.tenant, dataset.id
        erased = self.erasures.after(*place, dataset.cleared)
        segments = self.datasets.segments(*place, dataset.revision)
        sources = [exclude_erased(erased, partial(blocks_of, segment, self.objects)) for segment in segments]
        with k_way_merge(sources, unique_by_subject) as blocks:
            merged = list(self._segments(blocks, dataset, erased.latest, now))
        number = dataset.generation + 1
        generation = Generation(number=number, revision=dataset.revision, segments=merged, created_at=now)
        return self.generations.add(*place, generation, merged=dataset.segments, without=erased.latest)

    def _segments(
        self, blocks: Iterator[Lines], dataset: Dataset, latest_erasure: int, now: datetime
    ) -> Iterator[Segment]:
        folder = folder_of(dataset.tenant, dataset.id)
        write = partial(SegmentBuilder.write, revision=dataset.revision, without=latest_erasure, now=now)
        builder = SegmentBuilder()
        for block in blocks:
            if not builder.has_room(sum(map(len, block))):
                yield write(builder, folder, self.objects)
                builder = SegmentBuilder()
            builder.add(block, tokens_in(block))
        if builder.examples:
            yield write(builder, folder, self.objects)


@dataclass(frozen=True)
class RetireGenerations:
    """Forgets what was merged long ago, which earlier revisions are read from."""

    generations: Generations

    def retire(self, dataset: Dataset, now: datetime) -> bool:
        """Forget the generations that are past their week; tells whether there were any.

        Not while an erasure waits to be cleared: its examples are found in what was merged, and exports by its
        examples.
        """
        place = dataset.tenant, dataset.id
        if dataset.cleared < dataset.erasures:
            return False
        generations = self.generations.all(*place)
        old = [generation for generation in generations if now - generation.created_at > MERGED_KEPT]
        if not old or self.generations.is_retired(*place, old[-1]):
            return False
        self.generations.retire(*place, old[-1])
        return True
