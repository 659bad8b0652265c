"""Finding: a page of the examples that match, newest first, in one pass over the dataset as it was at a revision.

The first page names the revision to the pages after it, so that they go together whatever comes in between.
"""

import base64
import json
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.limits import PAGE_BYTES
from tuneloop.domain.datasets.example_filter import ExampleFilter, name_of
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


def find_examples(
    tenant: str,
    name: str,
    wanted: ExampleFilter,
    limit: int,
    cursor: str | None,
    *,
    datasets: Datasets,
    contents: Contents,
    check: Callable[[], None] = lambda: None,
) -> ExamplePage:
    """The examples that are wanted, newest first; those without a time come last, and equals by id."""
    wanted.require_range()
    revision = datasets.get(tenant, name).revision
    listing = digest(tenant, name, name_of(wanted))[:32]
    last: Place | None = None
    if cursor:
        latest = revision
        revision, last = _decode(cursor, listing)
        if revision > latest:
            raise _bad_cursor()
    newest = Newest(limit, last)
    with contents.found(tenant, name, revision, wanted, check) as found:
        for hit in found:
            newest.add(hit)
    data = newest.found
    has_more = data and newest.matching > len(data)
    more = _encode(listing, revision, data[-1].place) if has_more else None
    return ExamplePage(data, newest.total, revision, more)


class Newest:
    """The newest examples before a place, as many as a page and an answer can hold."""

    def __init__(self, limit: int, last: Place | None) -> None:
        self.total = 0
        self.matching = 0
        self._limit, self._last = limit, last
        self._floor: Place | None = None  # the newest that has to wait for the next page: older ones wait with it
        self._heap: list[tuple[Place, Hit]] = []
        self._bytes = 0

    def add(self, hit: Hit) -> None:
        """Look at one example more."""
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
    def found(self) -> list[Hit]:
        """The examples, newest first."""
        return [hit for _, hit in sorted(self._heap, reverse=True)]


def _size(hit: Hit) -> int:
    return min(len(hit.line), PAGE_BYTES)


def _encode(listing: str, revision: int, last: Place) -> str:
    start = {"pk": listing, "sk": f"{revision}#{b'#'.join(last).decode()}"}
    return base64.urlsafe_b64encode(json.dumps(start).encode()).decode()


def _decode(cursor: str, listing: str) -> tuple[int, Place]:
    try:
        start = json.loads(base64.urlsafe_b64decode(cursor))
        revision, created, example = start["sk"].split("#")
        if start.keys() != {"pk", "sk"} or start["pk"] != listing:
            raise _bad_cursor()
        return int(revision), (created.encode(), example.encode())
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise _bad_cursor() from error


def _bad_cursor() -> InvalidInput:
    return InvalidInput("`cursor` must be the `next_cursor` of an answer from this same listing.", param="cursor")
