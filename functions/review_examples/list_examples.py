"""Listing: a page of the examples that match a filter, newest first, in one pass over one revision of a dataset.

The cursor carries the revision of the first page, so that later pages fit it even if examples arrive in between.
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

Place = tuple[bytes, bytes]  # an example's sort key in a listing: when it was made, then its id


class ExamplePage(NamedTuple):
    """One page of matching examples, the total number of matches, the revision listed, and the next page's cursor."""

    data: list[Hit]
    total: int
    revision: int
    cursor: str | None


@dataclass(frozen=True)
class ListExamples:
    """Lists a dataset's examples page by page; `check` raises OutOfTime once the caller no longer waits."""

    datasets: Datasets
    contents: Contents
    check: Callable[[], None]

    def page(
        self, tenant: str, name: str, example_filter: ExampleFilter, limit: int, cursor: str | None
    ) -> ExamplePage:
        """The examples that match a filter, newest first; those without a time come last, ties are ordered by id.

        InvalidInput if the filter's range is empty, or if the cursor isn't from a listing by the same filter.
        """
        example_filter.require_range()
        revision = self.datasets.get(tenant, name).revision
        # A cursor is valid for one dataset and one filter only. It carries their hash instead of the filter itself,
        # whose search text may be as long as a whole cursor; 32 hex digits (128 bits) don't collide by chance.
        listing_hash = digest(tenant, name, example_filter.key)[:32]
        last: Place | None = None
        if cursor:
            latest = revision
            revision, last = _position_in(cursor, listing_hash)
            if revision > latest:
                raise bad_cursor()
        newest = NewestExamples(limit, last)
        with self.contents.search(tenant, name, revision, example_filter, self.check) as hits:
            for hit in hits:
                newest.add(hit)
        page = newest.hits
        has_more = page and newest.matching > len(page)
        next_cursor = _cursor_behind(listing_hash, revision, page[-1].place) if has_more else None
        return ExamplePage(page, newest.total, revision, next_cursor)


class NewestExamples:
    """Collects one page: the newest examples older than `last`, at most `limit` of them and at most PAGE_BYTES.

    A heap keeps only the examples of the page, so memory doesn't grow with the number of matches.
    """

    def __init__(self, limit: int, last: Place | None) -> None:
        self.total = 0
        self.matching = 0
        self._limit, self._last = limit, last
        self._floor: Place | None = None  # the newest example pushed to the next page: all older ones follow it there
        self._heap: list[tuple[Place, Hit]] = []
        self._bytes = 0

    def add(self, hit: Hit) -> None:
        """Count a matching example, and keep it if it is among the newest seen so far."""
        place = hit.place
        self.total += 1
        if self._last and place >= self._last:
            return
        self.matching += 1
        if self._is_for_next_page(place):
            return
        heappush(self._heap, (place, hit))
        self._bytes += _size(hit)
        while len(self._heap) > self._limit or (self._bytes > PAGE_BYTES and len(self._heap) > 1):
            self._floor, oldest = heappop(self._heap)
            self._bytes -= _size(oldest)

    def _is_for_next_page(self, place: Place) -> bool:
        if self._floor and place < self._floor:
            return True
        return len(self._heap) == self._limit and place < self._heap[0][0]

    @property
    def hits(self) -> list[Hit]:
        """The examples of the page, newest first."""
        return [hit for _, hit in sorted(self._heap, reverse=True)]


def _size(hit: Hit) -> int:
    return min(len(hit.line), PAGE_BYTES)


def _cursor_behind(listing_hash: str, revision: int, last: Place) -> str:
    return cursor_behind(Key(listing_hash, f"{revision}#{b'#'.join(last).decode()}"), {})


def _position_in(cursor: str, listing_hash: str) -> tuple[int, Place]:
    """The revision that a cursor lists, and the sort key of the last example before it; InvalidInput if it is bad."""
    try:
        revision, created, example = position_of(cursor, listing_hash).split("#")
        return int(revision), (created.encode(), example.encode())
    except ValueError as error:
        raise bad_cursor() from error
