"""Erasing: from the moment it is asked for, nobody reads an example, or anything of a subject, any more.

The mark that an erasure leaves does that at once. Then each dataset is told, in one write that whoever is adding to it
notices: so nothing that was read before the mark is added after it. A dataset that holds something of it is a revision
later from then on, since its next export is another one.
"""

from collections.abc import Callable
from datetime import datetime

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.erasures import Erased, Erasure, ErasureStatus, remaining_after
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import lines_of
from tuneloop.store.objects.stored_lines import heads_of
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.generations import Generations

TRIES = 20
Check = Callable[[], None]


def erase(
    erasure: Erasure,
    *,
    erasures: Erasures,
    datasets: Datasets,
    generations: Generations,
    objects: Objects,
    now: datetime,
    check: Check,
) -> Erasure:
    """The erasure, known to every dataset that it concerns; `check` is called on the way, and may raise."""
    if erasure.status != ErasureStatus.REQUESTED:
        return erasure
    for name in concerned(erasure, datasets):
        tell(
            erasure.tenant,
            name,
            erasures=erasures,
            datasets=datasets,
            generations=generations,
            objects=objects,
            now=now,
            check=check,
        )
    known = {"status": ErasureStatus.EXCLUDED, "excluded_at": now, "remaining": remaining_after(erasure, now)}
    try:
        return erasures.save(erasure.model_copy(update=known))
    except Stale:  # somebody else came as far
        return erasures.get(erasure.tenant, erasure.id)


def concerned(erasure: Erasure, datasets: Datasets) -> list[str]:
    """The datasets in which something of it may be."""
    return [erasure.dataset] if erasure.dataset else [dataset.id for dataset in datasets.all(erasure.tenant)]


def tell(
    tenant: str,
    name: str,
    *,
    erasures: Erasures,
    datasets: Datasets,
    generations: Generations,
    objects: Objects,
    now: datetime,
    check: Check,
) -> None:
    """Let a dataset know of all that is erased; it is a revision later if it holds anything of that."""
    for _ in range(TRIES):
        dataset = datasets.get(tenant, name)
        erased = erasures.after(tenant, name, dataset.erasures)
        if erased.latest == dataset.erasures:
            return
        found = bool(erased) and _is_held(tenant, name, erased, generations, objects, check)
        try:
            datasets.save(dataset.without(erased.latest, found, now))
        except Stale:  # the dataset changed while it was searched: search what there is now
            continue
        return
    raise Stale(f"Dataset {name} is changing too fast to be searched; try again.")


def _is_held(tenant: str, name: str, erased: Erased, generations: Generations, objects: Objects, check: Check) -> bool:
    for segment in generations.segments(tenant, name):
        for block in lines_of(segment, objects):
            check()
            if any(erased.covers(head.id, head.subject) for head in heads_of(block)):
                return True
    return False
