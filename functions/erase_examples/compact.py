"""Compacting: many small segments of a dataset become few, and nothing that anybody reads changes by it.

Of the lines of one example and subject one is kept, that which counts; lines of other subjects are kept beside it,
since theirs is what counts once that subject is erased. Whoever reads an earlier revision still finds what was merged,
for a week.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from tuneloop.domain.core.limits import MERGED_KEPT, SEGMENTS_UNMERGED
from tuneloop.domain.datasets.compaction import Generation
from tuneloop.domain.datasets.datasets import Dataset, Segment
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.merge import Lines, k_way_merge, unique_by_subject
from tuneloop.store.objects.segments import Writing, blocks_of, folder_of
from tuneloop.store.objects.stored_lines import tokens_in
from tuneloop.store.repositories.contents import without
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.generations import Generations


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
    with k_way_merge(sources, unique_by_subject) as blocks:
        made = list(_segments(blocks, dataset, erased, objects, now))
    generation = Generation(
        number=dataset.generation + 1,
        revision=dataset.revision,
        segments=made,
        created_at=now,
    )
    return generations.add(*place, generation, merged=dataset.segments, without=erased.latest)


def retire(dataset: Dataset, *, generations: Generations, now: datetime) -> bool:
    """Forget what was merged long ago; tells whether there was anything.

    Not while an erasure waits to be cleared: its examples are found in what was merged, and exports by its examples.
    """
    place = dataset.tenant, dataset.id
    if dataset.cleared < dataset.erasures:
        return False
    old = [each for each in generations.all(*place) if now - each.created_at > MERGED_KEPT]
    if not old or generations.is_retired(*place, old[-1]):
        return False
    generations.retire(*place, old[-1])
    return True


def _segments(
    blocks: Iterator[Lines], dataset: Dataset, erased: Erased, objects: Objects, now: datetime
) -> Iterator[Segment]:
    folder, ours = folder_of(dataset.tenant, dataset.id), {"revision": dataset.revision, "without": erased.latest}
    writing = Writing()
    for block in blocks:
        if writing.is_full(sum(map(len, block))):
            yield writing.end(folder, objects, **ours, now=now)
            writing = Writing()
        writing.add(block, tokens_in(block))
    if writing.examples:
        yield writing.end(folder, objects, **ours, now=now)
