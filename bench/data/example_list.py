"""What a page costs: the newest of 100,000 examples in one category, of a range of quality, that say a text.

Beside it stand other filters, each by itself: `listing_by_filter`.

Measured is the processor time of the use case behind `GET /v1/datasets/{d}/examples`, with a thousand of the examples
reviewed: the rows lie in moto, the segments in a folder instead of S3, the rest is the product's own code.
"""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, cast

import boto3
import msgspec
from moto import mock_aws

from bench.data.export import Folder
from bench.data.lines import chat_lines
from review_examples.list_examples import ExamplePage, ListExamples
from review_examples.review import ReviewExamples
from review_examples.views import ExampleChange, NewReviews
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Dataset, OnDrop
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import Status
from tuneloop.store.dynamodb import Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import SegmentBuilder, folder_of, line_of
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.reviews import Reviews

EXAMPLES = 100_000
REVIEWED = 1_000
TRIES = 5
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TENANT, NAME = "bench", "chat"
WANTED = ExampleFilter(category="category 3", min_quality=0.5, max_quality=0.9, text="Refund")
FILTERS = {
    "none": ExampleFilter(),
    "status=approved": ExampleFilter(status=Status.APPROVED),
    "category": ExampleFilter(category="category 3"),
    "min_quality": ExampleFilter(min_quality=0.5),
    "text that one example says": ExampleFilter(text="Regama 77477-172"),
    "text that half of them say": ExampleFilter(text="which"),
    "text beyond ASCII": ExampleFilter(text="Überweisung"),
}


def figures(examples: int = EXAMPLES) -> dict[str, Any]:
    """Processor seconds of a page, of one by its text alone, of the page after it, and of one by each other filter."""
    with tempfile.TemporaryDirectory() as folder, mock_aws():
        stage = _Stage(Path(folder))
        stage.collect(examples)
        stage.review()
        page_s, page = _seconds(lambda: stage.page(WANTED))
        text_s, _ = _seconds(lambda: stage.page(ExampleFilter(text="Refund")))
        next_s, _ = _seconds(lambda: stage.page(WANTED, page.cursor))
        by_filter = _by_filter(stage)
    return {
        "listing_cpu_s": round(page_s, 3),
        "listing_text_cpu_s": round(text_s, 3),
        "listing_next_cpu_s": round(next_s, 3),
        "listing_matching": page.total,
        "listing_by_filter": by_filter,
    }


def _by_filter(stage: "_Stage") -> dict[str, float]:
    """Processor seconds of a page by each filter; prints them, and how many examples match."""
    print("\nThe newest twenty by one filter                  processor s    matching")
    found: dict[str, float] = {}
    for name, wanted in FILTERS.items():
        spent, page = _seconds(partial(stage.page, wanted))
        found[name] = round(spent, 3)
        print(f"  {name:<40}{spent:>17.3f}{page.total:>12,}")
    return found


class _Stage:
    """A dataset with its stores."""

    def __init__(self, root: Path) -> None:
        session = boto3.Session("bench", "bench", region_name="us-east-1")
        client: Any = session.client("dynamodb")
        client.create_table(
            TableName="bench",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        table = Table(client, "bench")
        self.objects = Objects(cast("Any", Folder(root)), "bench")
        self.datasets, self.reviews = Datasets(table), Reviews(table)
        self.contents = Contents(self.datasets, self.reviews, self.objects, Erasures(table))
        made = {"model": NAME, "base_model": "base", "salt": "s", "on_drop": OnDrop.COLLECT, "created_at": NOW}
        self.datasets.create(Dataset(tenant=TENANT, id=NAME, **made), None)

    def collect(self, count: int) -> None:
        """Put so many examples into segments, as collecting does."""
        held: list[bytes] = []
        size = 0
        for line in _lines(count):
            if held and size + len(line) >= SEGMENT_BYTES:
                self._add(held)
                held, size = [], 0
            held.append(line)
            size += len(line)
        self._add(held)

    def _add(self, lines: list[bytes]) -> None:
        builder = SegmentBuilder()
        builder.add(sorted(lines), tokens=0)
        segment = builder.write(folder_of(TENANT, NAME), self.objects, revision=0, without=0, now=NOW)
        self.datasets.add_segment(TENANT, NAME, segment)

    def review(self) -> None:
        """Approve a thousand."""
        revision = self.datasets.get(TENANT, NAME).revision
        with self.contents.search(TENANT, NAME, revision, ExampleFilter()) as found:
            ids = [hit.id for hit, _ in zip(found, range(REVIEWED), strict=False)]
        changes = [ExampleChange(example=example, version=0, status=Status.APPROVED) for example in ids]
        stores = self.datasets, self.contents, self.reviews
        review = ReviewExamples(*stores, remaining_s=lambda: inf, check=lambda: None)
        review.review(TENANT, NAME, NewReviews(reviews=changes), "bench", NOW)

    def page(self, wanted: ExampleFilter, cursor: str | None = None) -> ExamplePage:
        """A page of twenty."""
        return ListExamples(self.datasets, self.contents, lambda: None).page(TENANT, NAME, wanted, 20, cursor)


def _lines(count: int) -> Iterator[bytes]:
    """So many lines of segments, with categories, qualities and times beside what is said."""
    made = 0
    for number, line in enumerate(chat_lines(2 * count)):
        example = read_example(msgspec.json.decode(line), number) if line.endswith(b"}") else None
        if made == count:
            return
        if isinstance(example, Example):
            made += 1
            ours = {"category": f"category {made % 10}", "quality": made % 100 / 100, "source": "app"}
            yield line_of(example.model_copy(update=ours | {"created_at": NOW - timedelta(minutes=made)})).text


def _seconds(work: Any) -> tuple[float, Any]:
    """The best of several tries, and what came of them."""
    best = float("inf")
    for _ in range(TRIES):
        started = time.process_time()
        found = work()
        best = min(best, time.process_time() - started)
    return best, found
