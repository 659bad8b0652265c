"""Reviews' rows: append-only, those of one revision in a few rows; adding some raises the dataset's revision with them.

Decisions are wanted all at once, for a page or an export as for one more decision, so they are kept together in the
order in which they were taken: a thousand of them cost a row, and are read as fast as one is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec
from pydantic import BaseModel

from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.limits import REVIEWS_AT_ONCE
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, Status
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, Table
from tuneloop.store.objects.segments import heads_of

ROW_BYTES = 300_000  # DynamoDB's rows hold 400 KB
COMMIT_BYTES = 3_000_000  # and its transactions 4 MB
FIRST = "0"  # sorts before every revision


NO_LINE = msgspec.Raw(b"null")


class Entry(msgspec.Struct, omit_defaults=True):
    """One decision as a row holds it; reviewer and time are the row's."""

    example: str
    number: int
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    line: msgspec.Raw = NO_LINE
    note: str | None = None


class Taken(BaseModel):
    """Decisions that one reviewer took at one time: a row, `entries` being JSON lines."""

    tenant: Name
    dataset: Name
    revision: int
    part: int
    reviewer: str
    created_at: datetime
    entries: str


_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(Entry).decode_lines


class Reviews:
    """The reviews of every tenant's examples."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, reviews: Sequence[Review], dataset: Dataset) -> None:
        """Store decisions that `batches` gave, and the dataset that they changed; Stale when another change came first.

        They all are of one reviewer and time, and of the dataset's new revision.
        """
        rows = [
            Taken(
                tenant=dataset.tenant,
                dataset=dataset.id,
                revision=dataset.revision,
                part=part,
                reviewer=reviews[0].reviewer,
                created_at=reviews[0].created_at,
                entries=entries,
            )
            for part, entries in enumerate(_packed(reviews, ROW_BYTES))
        ]
        saves = [ConditionalPut(keys.review(row.tenant, row.dataset, row.revision, row.part), row) for row in rows]
        self._table.commit(*saves, ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset))

    def taken(
        self, tenant: str, dataset: str, revision: int, since: int = 0, erased: Erased | None = None
    ) -> Iterator[Review]:
        """Every decision that there was at a revision and not at an earlier one, in order; none of the erased."""
        place = keys.review(tenant, dataset, 0, 0).pk
        first = keys.review(tenant, dataset, since + 1, 0).sk if since else FIRST
        last = keys.review(tenant, dataset, revision + 1, 0).sk
        for row in self._table.between(place, first, last, Taken):
            if row.revision <= revision:
                for entry in _decode_lines(row.entries):
                    if kept := _left(entry, erased) if erased else entry:
                        yield _review(kept, row)

    def all(self, tenant: str, dataset: str, revision: int, erased: Erased | None = None) -> Iterator[Review]:
        """Reviews of a dataset up to a revision, by example and number."""
        return iter(sorted(self.taken(tenant, dataset, revision, erased=erased), key=attrgetter("example", "number")))

    def of(self, tenant: str, dataset: str, revision: int, example: str) -> list[Review]:
        """The history of one example at a revision, oldest first."""
        return [review for review in self.taken(tenant, dataset, revision) if review.example == example]

    def decisions(
        self, tenant: str, dataset: str, revision: int, erased: Erased | None = None
    ) -> dict[bytes, Decision]:
        """What was decided at a revision, by example; in bytes, as lines hold their ids."""
        found: dict[bytes, Decision] = {}
        for review in self.taken(tenant, dataset, revision, erased=erased):
            example = review.example.encode()
            found[example] = found.get(example, UNDECIDED).after(review)
        return found

    def remove(self, tenant: str, dataset: str, gone: set[str], erased: Erased) -> None:
        """Take out what is erased: decisions on erased examples, edits and notes on what is gone with its subject.

        What was decided about a subject's example stays: somebody else may send the same.
        """
        for row in list(self._table.all(keys.review(tenant, dataset, 0, 0).pk, _Kept)):
            entries = _decode_lines(row.entries)
            kept = [_left(entry, erased, is_gone=entry.example in gone) for entry in entries]
            left = [entry for entry in kept if entry]
            if left != entries:
                key = keys.review(tenant, dataset, row.revision, row.part)
                changed = row.model_copy(update={"entries": b"\n".join(map(_encode, left)).decode()})
                self._table.commit(ConditionalPut(key, changed) if left else ConditionalDelete(key))


class _Kept(Taken):
    seq: int = 0


def _left(entry: Entry, erased: Erased, *, is_gone: bool = False) -> Entry | None:
    """What of an entry is left; of an edit of what a subject sent, and of one that is gone, what was decided."""
    if erased.covers(entry.example, None):
        return None
    is_edit = entry.line is not NO_LINE
    if is_gone or (is_edit and erased.covers(entry.example, heads_of([bytes(entry.line)])[0].subject)):
        return msgspec.structs.replace(entry, line=NO_LINE, note=None)
    return entry


def batches(reviews: Sequence[Review]) -> Iterator[list[Review]]:
    """Decisions in parts that can be stored at once."""
    batch: list[Review] = []
    size = 0
    for review in reviews:
        length = len(_encode(_entry(review)))
        if batch and (len(batch) == REVIEWS_AT_ONCE or size + length > COMMIT_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(review)
        size += length
    if batch:
        yield batch


def _packed(reviews: Sequence[Review], most: int) -> Iterator[str]:
    lines: list[bytes] = []
    size = 0
    for line in (_encode(_entry(review)) for review in reviews):
        if lines and size + len(line) >= most:
            yield b"\n".join(lines).decode()
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    yield b"\n".join(lines).decode()


def _entry(review: Review) -> Entry:
    line = msgspec.Raw(review.line.encode()) if review.line else NO_LINE
    return Entry(review.example, review.number, review.status, review.quality, review.category, line, review.note)


def _review(entry: Entry, row: Taken) -> Review:
    return Review(
        entry.example,
        entry.number,
        row.revision,
        row.reviewer,
        row.created_at,
        entry.status,
        entry.quality,
        entry.category,
        None if entry.line is NO_LINE else bytes(entry.line).decode(),
        entry.note,
    )
