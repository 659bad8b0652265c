"""Datasets, their segments' rows and their drops. Adding a segment raises the dataset's revision in the same write."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from pydantic import BaseModel

from tuneloop.domain.core.errors import NotFound, Outdated, Stale
from tuneloop.domain.core.limits import REFUSALS_KEPT
from tuneloop.domain.datasets.datasets import Dataset, Generation, Segment, segments_at
from tuneloop.domain.datasets.drops import FIRST_ID, LAST_ID, Drop, DropStatus, RefusedDrop, is_like_file_id
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.serving.models import NewModel
from tuneloop.store import keys
from tuneloop.store.cursors import cursor_behind, position_of
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Put, Table, Write
from tuneloop.store.retry import retry_stale

# Among the notes of a tenant it says that no dataset is without one; no name holds a `#`.
ALL_NOTED = "#ALL"


class LikeFile(BaseModel):
    """The note of a dataset that lies among the files and is none, so that a listing need not read all files for it."""

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
        if (found := self.find(tenant, dataset)) is None:
            raise NotFound(f"There is no dataset {dataset}.", param="dataset")
        return found

    def all(self, tenant: str) -> Iterator[Dataset]:
        """Every dataset of a tenant, by name."""
        return self._table.all(f"T#{tenant}#DATASETS", Dataset)

    def page(self, tenant: str, limit: int, cursor: str | None) -> Listing[Dataset]:
        """A page of a tenant's datasets, by name, without those that are files of OpenAI's wire."""
        found = list(islice(self._named(tenant, limit + 1, cursor), limit + 1))
        is_last = len(found) <= limit
        return Listing(found[:limit], None if is_last else cursor_behind(keys.dataset(tenant, found[limit - 1].id), {}))

    def _named(self, tenant: str, read: int, cursor: str | None) -> Iterator[Dataset]:
        """The datasets behind a cursor that are no files, by name: those before all files, among them, and behind."""
        partition = keys.dataset(tenant, "").pk
        after = position_of(cursor, partition) if cursor else ""
        if after < FIRST_ID:
            yield from self._table.pages(partition, Dataset, before=FIRST_ID, limit=read, cursor=cursor)
        if after < LAST_ID:
            noted = (self.find(tenant, name) for name in self._names_like_files(tenant) if name > after)
            yield from filter(None, noted)
            cursor = cursor_behind(keys.dataset(tenant, LAST_ID), {})
        yield from self._table.pages(partition, Dataset, limit=read, cursor=cursor)

    def _names_like_files(self, tenant: str) -> list[str]:
        """The datasets among the files that are none, by their notes; those of older versions are looked for once."""
        names = {note.id for note in self._table.all(keys.like_file(tenant, "").pk, LikeFile)}
        if ALL_NOTED not in names:
            among = self._table.between(keys.dataset(tenant, "").pk, FIRST_ID, LAST_ID, Dataset)
            names |= {dataset.id for dataset in among if is_like_file_id(dataset.id)}
            for name in (*sorted(names), ALL_NOTED):  # the last says that the others are there
                self._table.commit(_note(tenant, name))
        return sorted(names - {ALL_NOTED})

    def create(self, dataset: Dataset, model: NewModel | None) -> None:
        """Store a new dataset, with the model of its name unless there is one already."""
        writes: list[Write] = [ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset)]
        if is_like_file_id(dataset.id):
            writes.append(_note(dataset.tenant, dataset.id))
        if model:
            writes += model_writes(model)
        self._table.commit(*writes)

    def save(self, dataset: Dataset, *, event: AnyEvent | None = None, now: datetime | None = None) -> None:
        """Store changed settings or progress, with the event that announces it."""
        writes: list[Write] = [ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset)]
        if event and now:
            writes.append(EmitEvent(event, dataset.seq + 1, now))
        self._table.commit(*writes)

    def add_segment(self, tenant: str, dataset: str, segment: Segment) -> bool:
        """Add a segment and raise the revision; False, and nothing changed, when it is a segment of it already.

        Outdated where something was erased since it was read: then it has to be read again without that.
        """
        key = keys.segment(tenant, dataset, segment.sha256)

        def add() -> bool:
            """One try; anew where another segment came in between, as this one is numbered after it."""
            if self._knows(tenant, dataset, segment):
                return False
            seen = self._without(tenant, dataset, segment)
            grown = seen.with_segment(segment.examples, segment.created_at, segment.pairs)
            numbered = segment.model_copy(update={"revision": grown.revision})
            self._table.commit(ConditionalPut(key, numbered), ConditionalPut(keys.dataset(tenant, dataset), grown))
            return True

        return retry_stale(add, f"Dataset {dataset}")

    def add_posts(self, segment: Segment | None, drops: list[Drop]) -> None:
        """End posts of one dataset and add the segment that they make, all at once; Stale where one ended before."""
        writes: list[Write] = [self._drop_write(drop) for drop in drops]
        place = drops[0].place
        key = keys.segment(*place, segment.sha256) if segment else None
        if segment and key and not self._knows(*place, segment):
            grown = self._without(*place, segment).with_segment(segment.examples, segment.created_at, segment.pairs)
            numbered = segment.model_copy(update={"revision": grown.revision})
            writes += [ConditionalPut(key, numbered), ConditionalPut(keys.dataset(*place), grown)]
        self._table.commit(*writes)

    def _knows(self, tenant: str, dataset: str, segment: Segment) -> bool:
        """Whether the segment was added before, even if its lines lie in others by now."""
        places = (keys.segment, keys.merged_segment)
        return any(self._table.holds(place(tenant, dataset, segment.sha256)) for place in places)

    def _without(self, tenant: str, dataset: str, segment: Segment) -> Dataset:
        """The dataset, if the segment is without all that was erased from it."""
        seen = self.get(tenant, dataset)
        if seen.erasures > segment.without:
            raise Outdated(f"Examples of dataset {dataset} were erased while this was read; it is read again.")
        return seen

    def segments(self, tenant: str, dataset: str, revision: int) -> list[Segment]:
        """The segments that the dataset is read from at a revision; Conflict where nothing is left of it."""
        generations = self.generations(tenant, dataset)
        return segments_at(self.segment_rows(tenant, dataset), generations, revision)

    def segment_rows(self, tenant: str, dataset: str) -> list[Segment]:
        """The rows of segments as they were collected, those that were merged lately among them."""
        return list(self._table.all(keys.segment(tenant, dataset, "").pk, Segment))

    def generations(self, tenant: str, dataset: str) -> list[Generation]:
        """The dataset's generations, oldest first."""
        return list(self._table.all(keys.generation(tenant, dataset, 0).pk, Generation))

    def find_drop(self, tenant: str, dataset: str, drop: str) -> Drop | None:
        """The drop, if it is known."""
        return self._table.get(keys.drop(tenant, dataset, drop), Drop)

    def drop(self, tenant: str, dataset: str, drop: str) -> Drop:
        """The drop, or NotFound."""
        if (found := self.find_drop(tenant, dataset, drop)) is None:
            raise NotFound(f"Dataset {dataset} has no drop {drop}.", param="drop")
        return found

    def save_drop(self, drop: Drop) -> Drop:
        """Store a drop; gives it back as stored."""
        self._table.commit(self._drop_write(drop))
        return drop.model_copy(update={"seq": drop.seq + 1})

    def _drop_write(self, drop: Drop) -> ConditionalPut:
        key = keys.drop(drop.tenant, drop.dataset, drop.id)
        index = keys.by_time(key.pk, drop.created_at, drop.id)
        if drop.status == DropStatus.READING:
            index |= keys.swept(keys.READING, drop.created_at)
        return ConditionalPut(key, drop, index)

    def start_drop(self, drop: Drop) -> Drop:
        """Store a new drop; gives the row that is there when somebody else stored it first."""
        try:
            return self.save_drop(drop)
        except Stale:
            return self.drop(*drop.place, drop.id)

    def refuse(self, refused: RefusedDrop) -> bool:
        """Note a file that is nobody's drop; False where that was noted before."""
        until = refused.created_at + REFUSALS_KEPT
        try:
            self._table.commit(ConditionalPut(keys.refused_drop(refused.id), refused, kept_until=until))
        except Stale:
            return False
        return True

    def is_refused(self, drop: str) -> bool:
        """Whether a file was noted as nobody's."""
        return self._table.holds(keys.refused_drop(drop))

    def refused_drops(self) -> list[RefusedDrop]:
        """The files of the last 30 days that were nobody's drop, newest first."""
        found = self._table.all(keys.REFUSED_DROPS, RefusedDrop)
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def open_drops(self) -> Iterator[Drop]:
        """Every drop of every tenant that is being read, oldest first."""
        return self._table.all(keys.READING, Drop, index=keys.SWEEP)

    def drops(self, tenant: str, dataset: str, limit: int, cursor: str | None) -> Listing[Drop]:
        """A page of a dataset's drops, newest first."""
        return self._table.newest(keys.drop(tenant, dataset, "").pk, Drop, limit, cursor)


def _note(tenant: str, name: str) -> Put:
    return Put(keys.like_file(tenant, name), LikeFile(id=name))


def model_writes(new: NewModel) -> list[Write]:
    """The writes that register a model: itself, its version 0, and its deployment."""
    model, base, deployment = new
    return [
        ConditionalPut(keys.model(model.tenant, model.id), model),
        ConditionalPut(keys.version(model.tenant, model.id, base.number), base),
        ConditionalPut(keys.deployment(model.tenant, model.id), deployment),
    ]
