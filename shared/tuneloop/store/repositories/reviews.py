"""Reviews' rows: append-only, a few for each revision; adding reviews raises the dataset's revision in the same write.

Every reader (a page, an export, one more decision) needs all decisions of a dataset, so they are stored together in the
order in which they were taken: a thousand of them cost one row, and are read as fast as one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec
from pydantic import BaseModel

from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.limits import REVIEWS_AT_ONCE
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, Status
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, Table
from tuneloop.store.objects.segments import heads_of

ROW_BYTES = 300_000  # DynamoDB's rows hold 400 KB
COMMIT_BYTES = 3_000_000  # and its transactions 4 MB
BEFORE_ALL = "0"  # sorts before every revision
NO_LINE = msgspec.Raw(b"null")


class Entry(msgspec.Struct, omit_defaults=True):
    """One review as a row holds it; the reviewer and the time are the row's."""

    example: str
    number: int
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    line: msgspec.Raw = NO_LINE
    note: str | None = None


class ReviewRow(BaseModel):
    """A row: the reviews that one reviewer made at one time; `entries` are JSON lines."""

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
        """Store one of the `batches` of reviews with the dataset that it changes; Stale when another change came first.

        All of the batch are of one reviewer, one time and the dataset's new revision.
        """
        rows = [
            ReviewRow(
                tenant=dataset.tenant,
                dataset=dataset.id,
                revision=dataset.revision,
                part=part,
                reviewer=reviews[0].reviewer,
                created_at=reviews[0].created_at,
                entries=entries,
            )
            for part, entries in enumerate(_pack(reviews, ROW_BYTES))
        ]
        saves = [ConditionalPut(keys.review(row.tenant, row.dataset, row.revision, row.part), row) for row in rows]
        self._table.commit(*saves, ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset))

    def in_order(
        self, tenant: str, dataset: str, revision: int, since: int = 0, erased: ErasureMarks | None = None
    ) -> Iterator[Review]:
        """The reviews of a dataset after revision `since` and up to a revision, in the order in which they were made.

        Reviews of `erased` examples are left out.
        """
        partition = keys.review(tenant, dataset, 0, 0).pk
        first = keys.review(tenant, dataset, since + 1, 0).sk if since else BEFORE_ALL
        last = keys.review(tenant, dataset, revision + 1, 0).sk
        for row in self._table.between(partition, first, last, ReviewRow):
            if row.revision <= revision:
                for entry in _decode_lines(row.entries):
                    if remaining := _without_erased(entry, erased) if erased else entry:
                        yield _review(remaining, row)

    def all(self, tenant: str, dataset: str, revision: int, erased: ErasureMarks | None = None) -> Iterator[Review]:
        """The reviews of a dataset up to a revision, by example and number."""
        return iter(
            sorted(self.in_order(tenant, dataset, revision, erased=erased), key=attrgetter("example", "number"))
        )

    def of(self, tenant: str, dataset: str, revision: int, example: str) -> list[Review]:
        """The history of one example at a revision, oldest first."""
        return [review for review in self.in_order(tenant, dataset, revision) if review.example == example]

    def decisions(
        self, tenant: str, dataset: str, revision: int, erased: ErasureMarks | None = None
    ) -> dict[bytes, Decision]:
        """The decisions that hold at a revision, by example id; ids are bytes, as in stored lines."""
        decisions: dict[bytes, Decision] = {}
        for review in self.in_order(tenant, dataset, revision, erased=erased):
            example = review.example.encode()
            decisions[example] = decisions.get(example, UNDECIDED).after(review)
        return decisions

    def remove(self, tenant: str, dataset: str, gone: set[str], erased: ErasureMarks) -> None:
        """Remove the reviews of erased examples, and edits and notes of examples that are `gone` with their subject.

        The decision on a subject's example stays without these: somebody else may send the same example.
        """
        for row in list(self._table.all(keys.review(tenant, dataset, 0, 0).pk, _StoredReviewRow)):
            entries = _decode_lines(row.entries)
            cleaned = [_without_erased(entry, erased, is_gone=entry.example in gone) for entry in entries]
            remaining = [entry for entry in cleaned if entry]
            if remaining != entries:
                key = keys.review(tenant, dataset, row.revision, row.part)
                changed = row.model_copy(update={"entries": b"\n".join(map(_encode, remaining)).decode()})
                self._table.commit(ConditionalPut(key, changed) if remaining else ConditionalDelete(key))


class _StoredReviewRow(ReviewRow):
    """A row with its number of writes, for erasures: nobody else changes a row."""

    seq: int = 0


def _without_erased(entry: Entry, erased: ErasureMarks, *, is_gone: bool = False) -> Entry | None:
    """An entry without what is erased; None where its example is.

    An entry that edits an erased subject's example, or whose example `is_gone`, keeps the decision alone.
    """
    if erased.covers(entry.example, None):
        return None
    is_edit = entry.line is not NO_LINE
    if is_gone or (is_edit and erased.covers(entry.example, heads_of([bytes(entry.line)])[0].subject)):
        return msgspec.structs.replace(entry, line=NO_LINE, note=None)
    return entry


def batches(reviews: Sequence[Review]) -> Iterator[list[Review]]:
    """Reviews in parts that one transaction can store."""
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


def _pack(reviews: Sequence[Review], most_bytes: int) -> Iterator[str]:
    """The `entries` of the rows that hold these reviews, as many reviews in each as fit."""
    lines: list[bytes] = []
    size = 0
    for line in (_encode(_entry(review)) for review in reviews):
        if lines and size + len(line) >= most_bytes:
            yield b"\n".join(lines).decode()
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    yield b"\n".join(lines).decode()


def _entry(review: Review) -> Entry:
    line = msgspec.Raw(review.line.encode()) if review.line else NO_LINE
    return Entry(review.example, review.number, review.status, review.quality, review.category, line, review.note)


def _review(entry: Entry, row: ReviewRow) -> Review:
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
