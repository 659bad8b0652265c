"""Steps of datasets: examples collected, reviewed, and read as they are stored."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from collect_examples.ingest import IngestDrop
from tests.examples import chat
from tests.functions import steps
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.datasets.reviews import Review
from tuneloop.store.objects.segments import line_of

SHORT = [("did you eat", "nah not yet"), ("u up", "yep"), ("lol", "haha ikr"), ("where r u", "home"), ("k", "see u")]


def prepare_dataset(world: World, number: int = 40, **settings: Any) -> None:
    """A dataset with a frozen export, of which no run was asked for."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect", **settings})
    steps.settled(world, steps.questions(number))


def example_id(line: dict[str, Any]) -> str:
    """The id that an example gets from its content."""
    found = read_example(line, 1)
    assert isinstance(found, Example)
    return found.id


def collect(world: World, lines: Iterable[Any], name: str = "examples.jsonl", dataset: str = "support") -> None:
    """Drop lines into a dataset that collects and trains nothing by itself."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset, "on_drop": "collect"})
    world.drop(dataset, list(lines), name=name)


def example_ids(world: World, dataset: str = "support") -> set[str]:
    """The ids of the examples that a dataset holds now."""
    found = app.datasets.get(world.tenant, dataset)
    with app.contents.examples(world.tenant, dataset, found.revision) as examples:
        return {current.stored.id for current in examples}


def store_review(world: World, example: str, edited: dict[str, Any] | None = None, **decision: Any) -> None:
    """Write a decision on an example of `support` past the API, an edit as the line that it makes of the example."""
    found = app.datasets.get(world.tenant, "support").with_review(utc_now())
    line = None
    if edited:
        read = read_example(edited, 1)
        assert isinstance(read, Example)
        line = line_of(read.model_copy(update={"id": example})).text.decode()
    app.reviews.add([Review(example, 1, found.revision, "ann", utc_now(), line=line, **decision)], found)


def small_talk(number: int, **ours: Any) -> list[dict[str, Any]]:
    """Short chats, each with an answer of its own."""
    return [chat(f"{SHORT[n % 5][0]} {n}", f"{SHORT[n % 5][1]} {n}", **ours) for n in range(number)]


def ingest_lines(place: tuple[str, str], rows: list[dict[str, Any]], name: str, now: datetime) -> None:
    """Collect lines into the dataset at (tenant, dataset) as the drop of that name, without its event."""
    drop = app.datasets.start_drop(Drop(id=name, tenant=place[0], dataset=place[1], object="a.jsonl", created_at=now))
    lines = [json.dumps(row).encode() for row in rows]
    IngestDrop(app.datasets, app.objects, app.erasures, lambda: now).ingest(drop, lines)
