"""Generations: which segments a dataset is read from, and how segments are replaced.

Compaction adds a generation in one write, which fails where another generation came first or an example was erased
meanwhile. An erasure replaces each segment that holds erased lines by one without them under the same revision, so that
every revision reads as it did but for what is erased. Objects that no row names any more are purged later.
"""

from tuneloop.domain.datasets.datasets import Generation, Segment
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, Put, Table, Write
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.retry import retry_stale


class Generations:
    """The generations of every dataset, and the rows of its segments as those who rewrite them see them."""

    def __init__(self, table: Table, datasets: Datasets) -> None:
        self._table, self._datasets = table, datasets

    def all(self, tenant: str, dataset: str) -> list[Generation]:
        """A dataset's generations, oldest first."""
        return self._datasets.generations(tenant, dataset)

    def segments(self, tenant: str, dataset: str) -> list[Segment]:
        """Every segment that any revision of a dataset is read from, each once."""
        rows = self._datasets.segment_rows(tenant, dataset)
        merged = [segment for generation in self.all(tenant, dataset) for segment in generation.segments]
        return list({segment.key: segment for segment in [*rows, *merged]}.values())

    def add(self, tenant: str, name: str, generation: Generation, *, merged: int, without: int) -> bool:
        """Add a generation, merged from the first `merged` segments without what the erasures up to `without` erased.

        False, and nothing changed, where another generation came first or another erasure did.
        """

        def add() -> bool:
            """One try; Stale where the dataset grew: its new segments will be read beside the generation."""
            dataset = self._datasets.get(tenant, name)
            if dataset.generation != generation.number - 1 or dataset.erasures > without:
                return False
            update = {"generation": generation.number, "merged": merged}
            save = ConditionalPut(keys.dataset(tenant, name), dataset.model_copy(update=update))
            self._table.commit(ConditionalPut(keys.generation(tenant, name, generation.number), generation), save)
            return True

        return retry_stale(add, f"Dataset {name}")

    def replace(self, tenant: str, dataset: str, new: dict[str, Segment | None]) -> None:
        """Replace the segments of these keys by others, or by nothing; Stale where somebody else replaces them too."""
        for row in self._datasets.segment_rows(tenant, dataset):
            if row.key in new:
                self._replace_row(tenant, dataset, row, new[row.key])
        for generation in self.all(tenant, dataset):
            if any(segment.key in new for segment in generation.segments):
                pairs = [(segment, new.get(segment.key, segment)) for segment in generation.segments]
                segments = [_in_place_of(old, replacement) for old, replacement in pairs if replacement]
                changed = generation.model_copy(update={"segments": segments})
                self._table.commit(ConditionalPut(keys.generation(tenant, dataset, generation.number), changed))

    def is_retired(self, tenant: str, dataset: str, generation: Generation) -> bool:
        """Whether `retire` came to its end: older generations and the merged segments' rows are gone."""
        if not generation.alone or any(older.number < generation.number for older in self.all(tenant, dataset)):
            return False
        return not self._merged_rows(tenant, dataset, generation)

    def retire(self, tenant: str, dataset: str, generation: Generation) -> None:
        """Delete the older generations and the rows of the segments that a generation was merged from."""
        key = keys.generation(tenant, dataset, generation.number)
        self._table.commit(ConditionalPut(key, generation.model_copy(update={"alone": True})))
        for older in self.all(tenant, dataset):
            if older.number < generation.number:
                self._table.commit(ConditionalDelete(keys.generation(tenant, dataset, older.number)))
        for row in self._merged_rows(tenant, dataset, generation):
            mark = Put(keys.merged_segment(tenant, dataset, row.sha256), row)
            self._table.commit(ConditionalDelete(keys.segment(tenant, dataset, row.sha256)), mark)

    def _merged_rows(self, tenant: str, dataset: str, generation: Generation) -> list[Segment]:
        rows = self._datasets.segment_rows(tenant, dataset)
        return [row for row in rows if row.revision <= generation.revision]

    def _replace_row(self, tenant: str, dataset: str, row: Segment, new: Segment | None) -> None:
        writes: list[Write] = [ConditionalDelete(keys.segment(tenant, dataset, row.sha256))]
        if new:
            key = keys.segment(tenant, dataset, new.sha256)
            stored = self._table.get(key, Segment)
            earliest = row if stored is None or row.revision < stored.revision else stored
            writes.append(Put(key, _in_place_of(earliest, new)))
        self._table.commit(*writes)


def _in_place_of(old: Segment, new: Segment) -> Segment:
    return new if new is old else new.model_copy(update={"revision": old.revision, "created_at": old.created_at})
