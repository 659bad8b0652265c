"""Counting: a dataset's figures in one pass over it, kept until it changes."""

from collections.abc import Callable, Iterator

from tuneloop.domain.counts import Counted, Statistics, statistics_of
from tuneloop.domain.reviews import UNDECIDED
from tuneloop.store.contents import Block, Contents
from tuneloop.store.datasets import Datasets
from tuneloop.store.lines import heads_of
from tuneloop.store.statistics import Kept, KeptStatistics


def count_examples(
    tenant: str,
    name: str,
    *,
    datasets: Datasets,
    contents: Contents,
    statistics: KeptStatistics,
    check: Callable[[], None] = lambda: None,
) -> Statistics:
    """The figures of the dataset as it is now: those that were kept, or counted and kept."""
    dataset = datasets.get(tenant, name)
    erased = contents.erased(tenant, name)
    kept = statistics.find(tenant, name)
    if kept and (kept.counted.revision, kept.erasures) == (dataset.revision, erased.latest):
        return kept.counted
    with contents.blocks(tenant, name, dataset.revision, erased) as blocks:
        examples = (each for block in blocks for each in _counted(block, check))
        policy = dataset.policy_at(dataset.revision)
        counted = statistics_of(examples, policy, revision=dataset.revision, updated_at=dataset.changed_at)
    statistics.keep(tenant, name, Kept(counted=counted, erasures=erased.latest, seq=kept.seq if kept else 0))
    return counted


def _counted(block: Block, check: Callable[[], None]) -> Iterator[Counted]:
    check()
    for place, head in enumerate(heads_of(block.lines)):
        decision = block.decisions.get(place, UNDECIDED)
        quality = head.quality if decision.quality is None else decision.quality
        category = decision.category or head.category
        yield Counted(decision.status, category, head.source, head.preference, quality, head.tokens)
