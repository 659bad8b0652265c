"""The cost of a page: the newest of 100,000 examples in one category, of a range of quality, that contain a text.

`listing_by_filter` has the cost with each of some other filters alone. Measured is the processor time of the use case
behind `GET /v1/datasets/{d}/examples`, with a thousand of the examples reviewed. The rows lie in moto and the segments
in a folder instead of S3; the rest is the product's own code.
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
TRIES = 5  # the best one counts, as other work on the machine only adds to it
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TENANT, NAME = "bench", "chat"
COMBINED = ExampleFilter(category="category 3", min_quality=0.5, max_quality=0.9, text="Refund")
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
    """Processor seconds of a page by the combined filter, of the page after it, and of one by each other filter."""
    with tempfile.TemporaryDirectory() as folder, mock_aws():
        stage = _Stage(Path(folder))
        stage.collect(examples)
        stage.review()
        page_s, page = _seconds(lambda: stage.page(COMBINED))
        text_s, _ = _seconds(lambda: stage.page(ExampleFilter(text="Refund")))
        next_s, _ = _seconds(lambda: stage.page(COMBINED, page.cursor))
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
    seconds: dict[str, float] = {}
    for name, example_filter in FILTERS.items():
        spent_s, page = _seconds(partial(stage.page, example_filter))
        seconds[name] = round(spent_s, 3)
        print(f"  {name:<40}{spent_s:>17.3f}{page.total:>12,}")
    return seconds


class _Stage:
    """A dataset with its stores: rows in moto, segments in a folder."""

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
        fields = {"model": NAME, "base_model": "base", "salt": "s", "on_drop": OnDrop.COLLECT, "created_at": NOW}
        self.datasets.create(Dataset(tenant=TENANT, id=NAME, **fields), None)

    def collect(self, count: int) -> None:
        """Put this number of examples into segments, as collecting does."""
        batch: list[bytes] = []
        size = 0
        for line in _lines(count):
            if batch and size + len(line) >= SEGMENT_BYTES:
                self._add(batch)
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        self._add(batch)

    def _add(self, lines: list[bytes]) -> None:
        builder = SegmentBuilder()
        builder.add(sorted(lines), tokens=0)
        segment = builder.write(folder_of(TENANT, NAME), self.objects, revision=0, without=0, now=NOW)
        self.datasets.add_segment(TENANT, NAME, segment)

    def review(self) -> None:
        """Approve `REVIEWED` examples."""
        revision = self.datasets.get(TENANT, NAME).revision
        with self.contents.search(TENANT, NAME, revision, ExampleFilter()) as hits:
            ids = [hit.id for hit, _ in zip(hits, range(REVIEWED), strict=False)]
        changes = [ExampleChange(example=example, version=0, status=Status.APPROVED) for example in ids]
        stores = self.datasets, self.contents, self.reviews
        review = ReviewExamples(*stores, remaining_s=lambda: inf, check=lambda: None)
        review.review(TENANT, NAME, NewReviews(reviews=changes), "bench", NOW)

    def page(self, example_filter: ExampleFilter, cursor: str | None = None) -> ExamplePage:
        """The twenty newest examples that match a filter, or those behind a cursor."""
        return ListExamples(self.datasets, self.contents, lambda: None).page(TENANT, NAME, example_filter, 20, cursor)


def _lines(count: int) -> Iterator[bytes]:
    """This number of lines as segments have them, with categories, qualities and times."""
    produced = 0
    for number, line in enumerate(chat_lines(2 * count)):  # twice as many, as some lines are invalid on purpose
        example = read_example(msgspec.json.decode(line), number) if line.endswith(b"}") else None
        if produced == count:
            return
        if isinstance(example, Example):
            produced += 1
            fields = {"category": f"category {produced % 10}", "quality": produced % 100 / 100, "source": "app"}
            yield line_of(example.model_copy(update=fields | {"created_at": NOW - timedelta(minutes=produced)})).text


def _seconds(work: Any) -> tuple[float, Any]:
    """The processor seconds of the quickest of `TRIES`, and the result."""
    best_s = float("inf")
    for _ in range(TRIES):
        started = time.process_time()
        result = work()
        best_s = min(best_s, time.process_time() - started)
    return best_s, result
