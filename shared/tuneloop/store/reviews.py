"""Reviews' rows: append-only, numbered per example; adding some raises the dataset's revision in the same write."""

from collections.abc import Iterator, Sequence

from tuneloop.domain.datasets import Dataset
from tuneloop.domain.reviews import Review
from tuneloop.store import keys
from tuneloop.store.table import Table
from tuneloop.store.writes import Save, Write

MOST_AT_ONCE = 90  # a transaction takes 100 writes, and the dataset is one


class Reviews:
    """The reviews of every tenant's examples."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, reviews: Sequence[Review], dataset: Dataset) -> None:
        """Store at most 90 decisions and the dataset that they changed; Stale when another one came first."""
        writes: list[Write] = [
            Save(keys.review(each.tenant, each.dataset, each.example, each.number), each) for each in reviews
        ]
        self._table.commit(*writes, Save(keys.dataset(dataset.tenant, dataset.id), dataset))

    def of(self, tenant: str, dataset: str, example: str) -> list[Review]:
        """The history of one example, oldest first."""
        return list(self._table.between(keys.review(tenant, dataset, "", 0).pk, f"{example}#", f"{example}#~", Review))

    def all(self, tenant: str, dataset: str, revision: int) -> Iterator[Review]:
        """Every review that there was at a revision, by example and number."""
        found = self._table.all(keys.review(tenant, dataset, "", 0).pk, Review)
        return (review for review in found if review.revision <= revision)
