"""Listing: a page of the examples that match, newest first, in one pass over the dataset as it was at a revision.

The first page names the revision to the pages after it, so that they go together whatever comes in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.limits import PAGE_BYTES
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.store.cursors import bad_cursor, cursor_behind, position_of
from tuneloop.store.keys import Key
from tuneloop.store.objects.search import Hit
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets

Place = tuple[bytes, bytes]  # when an example was made, and its id


class ExamplePage(NamedTuple):
    """Examples that match, how many match in all, the revision at which they do, and where the next page begins."""

    data: list[Hit]
    total: int
    revision: int
    cursor: str | None


@dataclass(frozen=True)
class ListExamples:
    """Finds a dataset's examples page by page; `check` raises OutOfTime once the answer is overdue."""

    datasets: Datasets
    contents: Contents
    check: Callable[[], None]

    def page(self, tenant: str, name: str, wanted: ExampleFilter, limit: int, cursor: str | None) -> ExamplePage:
        """The examples that are wanted, newest first; those without a time come last, and equals by id."""
        wanted.require_range()
        revision = self.datasets.get(tenant, name).revision
        # What a cursor is good for: the filter in it by its hash, as a text to look for may be as long as a cursor may.
        listing = digest(tenant, name, wanted.key)[:32]
        last: Place | None = None
        if cursor:
            latest = revision
            revision, last = _position_in(cursor, listing)
            if revision > latest:
                raise bad_cursor()
        newest = NewestExamples(limit, last)
        with self.contents.search(tenant, name, revision, wanted, self.check) as hits:
            for hit in hits:
                newest.add(hit)
        page = newest.hits
        has_more = page and newest.matching > len(page)
        following = _cursor_behind(listing, revision, page[-1].place) if has_more else None
        return ExamplePage(page, newest.total, revision, following)


class NewestExamples:
    """A page: the newest examples before a place, as many as a page and an answer can hold."""

    def __init__(self, limit: int, last: Place | None) -> None:
        self.total = 0
        self.matching = 0
        self._limit, self._last = limit, last
        self._floor: Place | None = None  # the newest that has to wait for the next page: older ones wait with it
        self._heap: list[tuple[Place, Hit]] = []
        self._bytes = 0

    def add(self, hit: Hit) -> None:
        """Take an example that matches, if it belongs on the page as far as is known yet."""
        place = hit.place
        self.total += 1
        if self._last and place >= self._last:
            return
        self.matching += 1
        if self._waits(place):
            return
        heappush(self._heap, (place, hit))
        self._bytes += _size(hit)
        while len(self._heap) > self._limit or (self._bytes > PAGE_BYTES and len(self._heap) > 1):
            self._floor, oldest = heappop(self._heap)
            self._bytes -= _size(oldest)

    def _waits(self, place: Place) -> bool:
        if self._floor and place < self._floor:
            return True
        return len(self._heap) == self._limit and place < self._heap[0][0]

    @property
    def hits(self) -> list[Hit]:
        """The examples, newest first."""
        return [hit for _, hit in sorted(self._heap, reverse=True)]


def _size(hit: Hit) -> int:
    return min(len(hit.line), PAGE_BYTES)


def _cursor_behind(listing: str, revision: int, last: Place) -> str:
    return cursor_behind(Key(listing, f"{revision}#{b'#'.join(last).decode()}"), {})


def _position_in(cursor: str, listing: str) -> tuple[int, Place]:
    """The revision of a listing and the place of the last example before its next page."""
    try:
        revision, created, example = position_of(cursor, listing).split("#")
        return int(revision), (created.encode(), example.encode())
    except ValueError as error:
        raise bad_cursor() from error
