"""Erasure requests: from the moment of the request, an example, or everything from a subject, is excluded from reading.

The erasure's mark does that at once. Then each dataset's row is updated with the number of the erasure: a writer that
read its examples before the mark fails at that row, so nothing erased is added afterwards. A dataset that holds erased
examples gets a new revision, since its next export differs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.erasures import Erasure, ErasureMarks, ErasureStatus, remaining_copies
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import heads_of, lines_of
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.retry import retry_stale


@dataclass(frozen=True)
class EraseExamples:
    """Excludes erased examples from all datasets; `check` runs between blocks of lines, and may raise OutOfTime."""

    erasures: Erasures
    datasets: Datasets
    generations: Generations
    objects: Objects
    check: Callable[[], None] = lambda: None

    def erase(self, erasure: Erasure, now: datetime) -> Erasure:
        """Exclude an erasure's examples from every dataset that may hold them; return the erasure as stored then."""
        if erasure.status != ErasureStatus.REQUESTED:
            return erasure
        for name in concerned_datasets(erasure, self.datasets):
            self.exclude(erasure.tenant, name, now)
        remaining = remaining_copies(erasure, now)
        update = {"status": ErasureStatus.EXCLUDED, "excluded_at": now, "remaining": remaining}
        try:
            return self.erasures.save(erasure.model_copy(update=update))
        except Stale:  # another invocation has stored the same
            return self.erasures.get(erasure.tenant, erasure.id)

    def exclude(self, tenant: str, name: str, now: datetime) -> None:
        """Store in a dataset the number of the latest erasure, and a new revision if it holds erased examples."""

        def search_and_save() -> None:
            """Search the dataset and save it; Stale if it changes in between, then it is searched again."""
            dataset = self.datasets.get(tenant, name)
            erased = self.erasures.after(tenant, name, dataset.erasures)
            if erased.latest != dataset.erasures:
                is_held = bool(erased) and self._is_held(tenant, name, erased)
                self.datasets.save(dataset.without_erased(erased.latest, is_held, now))

        retry_stale(search_and_save, f"Dataset {name}")

    def _is_held(self, tenant: str, name: str, erased: ErasureMarks) -> bool:
        for segment in self.generations.segments(tenant, name):
            for block in lines_of(segment, self.objects):
                self.check()
                if any(erased.covers(head.id, head.subject) for head in heads_of(block)):
                    return True
        return False


def concerned_datasets(erasure: Erasure, datasets: Datasets) -> list[str]:
    """The names of the datasets that may hold erased examples: the one that the erasure names, or all of the tenant."""
    return [erasure.dataset] if erasure.dataset else [dataset.id for dataset in datasets.all(erasure.tenant)]
