"""Collecting: lines become examples, examples become segments, and the dataset is told to settle.

A file with a line that can't be used adds nothing, unless its dataset skips such lines; a file that can't be read to
its end adds nothing in any case. Segments are named by their content and rows are added last, once the end was reached,
so a repetition at any point continues where the first try ended.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from collect_examples.drop import UNREAD
from collect_examples.reading import Clock, Reading
from tuneloop.domain.datasets import Drop, DropStatus, Segment
from tuneloop.domain.errors import Stale
from tuneloop.domain.examples import Split
from tuneloop.domain.limits import SEGMENT_BYTES
from tuneloop.store.datasets import Datasets
from tuneloop.store.objects import Objects, Packing
from tuneloop.tokens import count_messages

TRIES = 5


def collect(
    drop: Drop,
    lines: Iterable[bytes | None],
    split: Split | None,
    *,
    datasets: Datasets,
    objects: Objects,
    clock: Clock,
    ends: datetime | None = None,
) -> Drop:
    """Turn a drop's lines into segments of its dataset, in the time until `ends`; gives the drop as it ended."""
    if drop.status not in UNREAD:
        return drop
    reading = Reading(split, datasets.get(*drop.place).on_invalid, clock, ends)
    prefix = f"datasets/{drop.tenant}/{drop.dataset}/segments/"
    segments = list(_segments(reading, lines, prefix, objects, clock()))
    now = clock()
    if reading.is_usable:
        for segment in segments:
            datasets.add_segment(drop.tenant, drop.dataset, segment.model_copy(update={"created_at": now}))
    added = reading.examples if reading.is_usable else 0
    ended = drop.model_copy(
        update={
            "status": DropStatus.COLLECTED if added else DropStatus.REJECTED,
            "lines": reading.lines,
            "examples": added,
            "problem_count": reading.problem_count,
            "problems": reading.problems,
            "finished_at": now,
        }
    )
    return _saved(ended, datasets)


def _saved(ended: Drop, datasets: Datasets) -> Drop:
    """The drop as it was stored: a twin that ended first counts, but not that this reader was given up meanwhile."""
    for _ in range(TRIES):
        try:
            return datasets.save_drop(ended)
        except Stale:
            stored = datasets.drop(*ended.place, ended.id)
        if stored.status not in UNREAD:
            return stored
        ended = ended.model_copy(update={"seq": stored.seq})
    raise Stale(f"Drop {ended.id} is changing too fast to end it; try again.")


def _segments(
    reading: Reading, lines: Iterable[bytes | None], prefix: str, objects: Objects, now: datetime
) -> Iterator[Segment]:
    """The usable examples in objects of bounded size, each written as soon as it is full."""
    making = Making()
    for example in reading.examples_of(lines):
        if not reading.is_usable:  # what is still read is read for its problems
            continue
        line = example.model_dump_json(exclude_none=True).encode()
        if making.examples and making.packing.bytes + len(line) >= SEGMENT_BYTES:
            yield making.segment(prefix, objects, now)
            making = Making()
        making.add(line, count_messages(example.messages, example.content.get("tools")))
    if making.examples and reading.is_usable:
        yield making.segment(prefix, objects, now)


class Making:
    """A segment in the making, with the examples and tokens in it."""

    def __init__(self) -> None:
        self.packing = Packing()
        self.examples = 0
        self.tokens = 0

    def add(self, line: bytes, tokens: int) -> None:
        """Add an example by its line."""
        self.packing.add(line)
        self.examples += 1
        self.tokens += tokens

    def segment(self, prefix: str, objects: Objects, now: datetime) -> Segment:
        """The segment, written."""
        key, written = objects.put_segment(prefix, self.packing)
        return Segment(
            sha256=written.sha256,
            key=key,
            examples=self.examples,
            tokens=self.tokens,
            bytes=written.bytes,
            revision=0,
            created_at=now,
        )
