"""The rows of datasets, their segments and their drops; adding a segment raises the revision in the same write."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from pydantic import BaseModel

from tuneloop.domain.core.errors import NotFound, Outdated, Stale
from tuneloop.domain.core.limits import REFUSALS_KEPT
from tuneloop.domain.datasets.datasets import Dataset, Generation, Segment, segments_at
from tuneloop.domain.datasets.drops import (
    FIRST_FILE_ID,
    LAST_FILE_ID,
    Drop,
    DropStatus,
    RefusedDrop,
    sorts_among_file_ids,
)
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.serving.models import NewModel
from tuneloop.store import keys
from tuneloop.store.cursors import cursor_behind, position_of
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Put, Table, Write
from tuneloop.store.retry import retry_stale

# The note that every dataset of its tenant which needs a note has one; no dataset's name holds a `#`.
ALL_NOTED = "#ALL"


class LikeFile(BaseModel):
    """The note of a dataset that sorts among the files of OpenAI's wire by its name, and is none of them.

    By these notes a listing of datasets finds such datasets without reading every file.
    """

    id: str


class Datasets:
    """The datasets of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, dataset: str) -> Dataset | None:
        """The dataset, if there is one."""
        return self._table.get(keys.dataset(tenant, dataset), Dataset)

    def get(self, tenant: str, dataset: str) -> Dataset:
        """The dataset, or NotFound."""
        if (stored := self.find(tenant, dataset)) is None:
            raise NotFound(f"There is no dataset {dataset}.", param="dataset")
        return stored

    def all(self, tenant: str) -> Iterator[Dataset]:
        """Every dataset of a tenant, by name."""
        return self._table.all(f"T#{tenant}#DATASETS", Dataset)

    def page(self, tenant: str, limit: int, cursor: str | None) -> Listing[Dataset]:
        """A page of a tenant's datasets, by name, without those that are files of OpenAI's wire."""
        datasets = list(islice(self._without_files(tenant, limit + 1, cursor), limit + 1))
        if len(datasets) <= limit:
            return Listing(datasets, None)
        return Listing(datasets[:limit], cursor_behind(keys.dataset(tenant, datasets[limit - 1].id), {}))

    def _without_files(self, tenant: str, limit: int, cursor: str | None) -> Iterator[Dataset]:
        """The datasets behind a cursor that are no files, by name: before all files, among them, and behind them.

        `limit` is how many a query reads.
        """
        partition = keys.dataset(tenant, "").pk
        after = position_of(cursor, partition) if cursor else ""
        if after < FIRST_FILE_ID:
            yield from self._table.behind(partition, Dataset, before=FIRST_FILE_ID, limit=limit, cursor=cursor)
        if after < LAST_FILE_ID:
            among_files = (self.find(tenant, name) for name in self._names_like_files(tenant) if name > after)
            yield from filter(None, among_files)
            cursor = cursor_behind(keys.dataset(tenant, LAST_FILE_ID), {})
        yield from self._table.behind(partition, Dataset, limit=limit, cursor=cursor)

    def _names_like_files(self, tenant: str) -> list[str]:
        """The names of datasets that sort among the files; the notes that older releases didn't write are made once."""
        names = {note.id for note in self._table.all(keys.like_file(tenant, "").pk, LikeFile)}
        if ALL_NOTED not in names:
            among_files = self._table.between(keys.dataset(tenant, "").pk, FIRST_FILE_ID, LAST_FILE_ID, Dataset)
            names |= {dataset.id for dataset in among_files if sorts_among_file_ids(dataset.id)}
            for name in (*sorted(names), ALL_NOTED):  # last, since it says that the others are there
                self._table.commit(_like_file_write(tenant, name))
        return sorted(names - {ALL_NOTED})

    def create(self, dataset: Dataset, model: NewModel | None) -> None:
        """Store a new dataset, with the model of its name unless there is one already."""
        writes: list[Write] = [ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset)]
        if sorts_among_file_ids(dataset.id):
            writes.append(_like_file_write(dataset.tenant, dataset.id))
        if model:
            writes += model_writes(model)
        self._table.commit(*writes)

    def save(self, dataset: Dataset, *, event: AnyEvent | None = None, now: datetime | None = None) -> None:
        """Store a dataset's changes with the event that announces them; Stale where others have changed it since."""
        writes: list[Write] = [ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset)]
        if event and now:
            writes.append(EmitEvent(event, dataset.seq + 1, now))
        self._table.commit(*writes)

    def add_segment(self, tenant: str, dataset: str, segment: Segment) -> bool:
        """Add a segment and raise the revision; False, and nothing changed, where the segment was added before.

        Outdated where examples were erased since the segment was built: it has to be built again without them.
        """

        def add() -> bool:
            """One try; Stale where another segment came in between, after which this one has to be numbered."""
            writes = self._segment_writes(tenant, dataset, segment)
            if writes:
                self._table.commit(*writes)
            return bool(writes)

        return retry_stale(add, f"Dataset {dataset}")

    def add_posts(self, segment: Segment | None, drops: list[Drop]) -> None:
        """End posts of one dataset and add their segment in one transaction; Stale where a post ended before."""
        writes: list[Write] = [self._drop_write(drop) for drop in drops]
        if segment:
            writes += self._segment_writes(*drops[0].place, segment)
        self._table.commit(*writes)

    def _segment_writes(self, tenant: str, dataset: str, segment: Segment) -> list[Write]:
        """The writes that add a segment as the dataset's next revision; none where it was added before.

        Outdated where the segment may hold examples that were erased after it was built.
        """
        if self._was_added(tenant, dataset, segment):
            return []
        before = self.get(tenant, dataset)
        if before.erasures > segment.without:
            raise Outdated(f"Examples of dataset {dataset} were erased while this was read; it is read again.")
        grown = before.with_segment(segment.examples, segment.created_at, segment.pairs)
        numbered = segment.model_copy(update={"revision": grown.revision})
        key = keys.segment(tenant, dataset, segment.sha256)
        return [ConditionalPut(key, numbered), ConditionalPut(keys.dataset(tenant, dataset), grown)]

    def _was_added(self, tenant: str, dataset: str, segment: Segment) -> bool:
        """Whether the segment was added before, even if its lines lie in other segments by now."""
        key_formats = (keys.segment, keys.merged_segment)
        return any(self._table.holds(key_of(tenant, dataset, segment.sha256)) for key_of in key_formats)

    def segments(self, tenant: str, dataset: str, revision: int) -> list[Segment]:
        """The segments that the dataset is read from at a revision; Conflict where nothing is left of it."""
        generations = self.generations(tenant, dataset)
        return segments_at(self.segment_rows(tenant, dataset), generations, revision)

    def segment_rows(self, tenant: str, dataset: str) -> list[Segment]:
        """The rows of segments as they were collected, including those that were merged in the last week."""
        return list(self._table.all(keys.segment(tenant, dataset, "").pk, Segment))

    def generations(self, tenant: str, dataset: str) -> list[Generation]:
        """The dataset's generations, oldest first."""
        return list(self._table.all(keys.generation(tenant, dataset, 0).pk, Generation))

    def find_drop(self, tenant: str, dataset: str, drop: str) -> Drop | None:
        """The drop, if there is one."""
        return self._table.get(keys.drop(tenant, dataset, drop), Drop)

    def drop(self, tenant: str, dataset: str, drop: str) -> Drop:
        """The drop, or NotFound."""
        if (stored := self.find_drop(tenant, dataset, drop)) is None:
            raise NotFound(f"Dataset {dataset} has no drop {drop}.", param="drop")
        return stored

    def save_drop(self, drop: Drop) -> Drop:
        """Store a drop; returns it as stored."""
        self._table.commit(self._drop_write(drop))
        return drop.model_copy(update={"seq": drop.seq + 1})

    def _drop_write(self, drop: Drop) -> ConditionalPut:
        key = keys.drop(drop.tenant, drop.dataset, drop.id)
        index = keys.by_time(key.pk, drop.created_at, drop.id)
        if drop.status == DropStatus.READING:
            index |= keys.swept(keys.READING, drop.created_at)
        return ConditionalPut(key, drop, index)

    def start_drop(self, drop: Drop) -> Drop:
        """Store a new drop; returns the stored one where somebody else was first."""
        try:
            return self.save_drop(drop)
        except Stale:
            return self.drop(*drop.place, drop.id)

    def refuse(self, refused: RefusedDrop) -> bool:
        """Store the note of a file that is nobody's drop, for 30 days; False where there is such a note."""
        until = refused.created_at + REFUSALS_KEPT
        try:
            self._table.commit(ConditionalPut(keys.refused_drop(refused.id), refused, kept_until=until))
        except Stale:
            return False
        return True

    def is_refused(self, drop: str) -> bool:
        """Whether there is a note that a file is nobody's drop."""
        return self._table.holds(keys.refused_drop(drop))

    def refused_drops(self) -> list[RefusedDrop]:
        """The files of the last 30 days that were nobody's drop, newest first."""
        refused = self._table.all(keys.REFUSED_DROPS, RefusedDrop)
        return sorted(refused, key=lambda drop: drop.created_at, reverse=True)

    def open_drops(self) -> Iterator[Drop]:
        """Every drop of every tenant that is being read, oldest first."""
        return self._table.all(keys.READING, Drop, index=keys.SWEEP)

    def drops(self, tenant: str, dataset: str, limit: int, cursor: str | None) -> Listing[Drop]:
        """A page of a dataset's drops, newest first."""
        return self._table.newest(keys.drop(tenant, dataset, "").pk, Drop, limit, cursor)


def _like_file_write(tenant: str, name: str) -> Put:
    return Put(keys.like_file(tenant, name), LikeFile(id=name))


def model_writes(new: NewModel) -> list[Write]:
    """The writes that register a model: itself, its version 0, and its deployment."""
    model, base, deployment = new
    return [
        ConditionalPut(keys.model(model.tenant, model.id), model),
        ConditionalPut(keys.version(model.tenant, model.id, base.number), base),
        ConditionalPut(keys.deployment(model.tenant, model.id), deployment),
    ]
