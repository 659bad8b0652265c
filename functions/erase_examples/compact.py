"""Compaction: many small segments of a dataset are merged into few; readers see the same examples as before.

Of several lines with the same example and subject, only the one that readers use is kept. Lines of other subjects are
kept beside it, since one of them takes its place if that subject is erased. The merged segments stay for a week, for
whoever still reads an earlier revision.
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
    """Whether a dataset got so many segments since its last compaction that reading it has become slow."""
    return dataset.segments - dataset.merged > SEGMENTS_UNMERGED


@dataclass(frozen=True)
class CompactDataset:
    """Merges the segments of a dataset into a new generation, the set of segments that it is read from."""

    datasets: Datasets
    generations: Generations
    erasures: Erasures
    objects: Objects

    def compact(self, dataset: Dataset, now: datetime) -> bool:
        """Merge a dataset's segments; False, and nothing changes, if it was merged or erased from in the meantime."""
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
        """Write merged blocks of lines as new segments, each as soon as it has no room for the next block."""
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
    """Retires old generations, whose merged segments earlier revisions are read from."""

    generations: Generations

    def retire(self, dataset: Dataset, now: datetime) -> bool:
        """Retire the generations that are older than MERGED_KEPT; returns whether there were any.

        While an erasure waits to be rewritten, none is retired: the erased examples are found in the merged segments,
        and the exports that hold them are found by those examples.
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
