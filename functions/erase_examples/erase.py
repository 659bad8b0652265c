"""Erasure requests: from the moment of the request nobody reads an example, or anything of a subject, any more.

The mark that an erasure leaves does that at once. Then each dataset is told, in one write that whoever is adding to it
notices: so nothing that was read before the mark is added after it. A dataset that holds something of it is a revision
later from then on, since its next export is another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.erasures import Erased, Erasure, ErasureStatus, remaining_copies
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import heads_of, lines_of
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.retry import retry_stale


@dataclass(frozen=True)
class EraseExamples:
    """Takes what is erased out of every reading; `check` is called between blocks of lines, and may raise OutOfTime."""

    erasures: Erasures
    datasets: Datasets
    generations: Generations
    objects: Objects
    check: Callable[[], None] = lambda: None

    def erase(self, erasure: Erasure, now: datetime) -> Erasure:
        """Let every dataset know of an erasure that it concerns; return the erasure as it is stored after that."""
        if erasure.status != ErasureStatus.REQUESTED:
            return erasure
        for name in concerned_datasets(erasure, self.datasets):
            self.exclude(erasure.tenant, name, now)
        remaining = remaining_copies(erasure, now)
        update = {"status": ErasureStatus.EXCLUDED, "excluded_at": now, "remaining": remaining}
        try:
            return self.erasures.save(erasure.model_copy(update=update))
        except Stale:  # somebody else came as far
            return self.erasures.get(erasure.tenant, erasure.id)

    def exclude(self, tenant: str, name: str, now: datetime) -> None:
        """Let a dataset know of all erasures so far; it is a revision later if it holds anything of them."""

        def search_and_save() -> None:
            """One try; a dataset that changes while it is searched is searched again."""
            dataset = self.datasets.get(tenant, name)
            erased = self.erasures.after(tenant, name, dataset.erasures)
            if erased.latest != dataset.erasures:
                is_held = bool(erased) and self._is_held(tenant, name, erased)
                self.datasets.save(dataset.without_erased(erased.latest, is_held, now))

        retry_stale(search_and_save, f"Dataset {name}")

    def _is_held(self, tenant: str, name: str, erased: Erased) -> bool:
        for segment in self.generations.segments(tenant, name):
            for block in lines_of(segment, self.objects):
                self.check()
                if any(erased.covers(head.id, head.subject) for head in heads_of(block)):
                    return True
        return False


def concerned_datasets(erasure: Erasure, datasets: Datasets) -> list[str]:
    """The names of the datasets that may hold something of an erasure: the one of its example, or all of the tenant."""
    return [erasure.dataset] if erasure.dataset else [dataset.id for dataset in datasets.all(erasure.tenant)]
