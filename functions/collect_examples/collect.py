"""Collecting: lines become examples, examples become segments, and the dataset is told to settle.

A file with a line that can't be used adds nothing: its drop lists the lines and what would be right. Segments are named
by their content and rows are added last, so a repetition at any point continues where the first try ended.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import orjson

from tuneloop.domain.datasets import PROBLEMS_KEPT, Drop, DropStatus, Segment
from tuneloop.domain.errors import Stale
from tuneloop.domain.examples import Example, Problem, Split, read_example
from tuneloop.store.datasets import Datasets
from tuneloop.store.objects import SEGMENT_BYTES, Objects
from tuneloop.tokens import count_messages

Clock = Callable[[], datetime]
EMPTY = Problem(line=0, path="$", code="empty_file", message="The file has no lines: nothing can be learnt from it.")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Batch(NamedTuple):
    """Examples of one segment, serialised, with their tokens."""

    lines: list[bytes]
    tokens: int


def collect(
    drop: Drop, lines: Iterable[bytes], split: Split | None, *, datasets: Datasets, objects: Objects, clock: Clock
) -> Drop:
    """Turn a drop's lines into segments of its dataset; gives the drop as it ended."""
    if drop.status != DropStatus.READING:
        return drop
    reading, started = Reading(split), clock()
    prefix = f"datasets/{drop.tenant}/{drop.dataset}/segments/"
    segments = [_segment(batch, prefix, objects, started) for batch in reading.batches(lines)]
    now = clock()
    if not reading.problem_count:
        for segment in segments:
            datasets.add_segment(drop.tenant, drop.dataset, segment.model_copy(update={"created_at": now}))
    ended = drop.model_copy(
        update={
            "status": DropStatus.REJECTED if reading.problem_count else DropStatus.COLLECTED,
            "lines": reading.lines,
            "examples": 0 if reading.problem_count else reading.examples,
            "problem_count": reading.problem_count,
            "problems": reading.problems,
            "finished_at": now,
        }
    )
    try:
        return datasets.save_drop(ended)
    except Stale:  # the same drop was delivered twice and the other one ended first
        return datasets.drop(*drop.place, drop.id)


class Reading:
    """One pass over a drop's lines: what was read, what was wrong, and the examples in segment-sized batches."""

    def __init__(self, split: Split | None) -> None:
        self.split = split
        self.lines = 0
        self.examples = 0
        self.problem_count = 0
        self.problems: list[Problem] = []

    def batches(self, lines: Iterable[bytes]) -> Iterator[Batch]:
        """The good examples; nothing more once a line was bad, as the drop will be rejected."""
        batch: list[bytes] = []
        size = tokens = 0
        for example in self._examples(lines):
            if self.problem_count:
                continue
            line = example.model_dump_json(exclude_none=True).encode()
            if size + len(line) > SEGMENT_BYTES:
                yield Batch(batch, tokens)
                batch, size, tokens = [], 0, 0
            batch.append(line)
            size += len(line) + 1
            tokens += count_messages(example.messages, example.content.get("tools"))
        if not self.lines:
            self.problem_count, self.problems = 1, [EMPTY]
        if batch and not self.problem_count:
            yield Batch(batch, tokens)

    def _examples(self, lines: Iterable[bytes]) -> Iterator[Example]:
        for number, raw in enumerate(lines, start=1):
            line = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
            if not line.strip():
                continue
            self.lines += 1
            match self._read(line, number):
                case Example() as example:
                    self.examples += 1
                    yield example
                case problems:
                    self.problem_count += len(problems)
                    self.problems += problems[: PROBLEMS_KEPT - len(self.problems)]

    def _read(self, line: bytes, number: int) -> Example | list[Problem]:
        try:
            return read_example(orjson.loads(line), number, self.split)
        except orjson.JSONDecodeError as error:
            message = f"Not valid JSON in UTF-8: {error.msg.split(':')[0]} at character {error.pos + 1}."
            return [Problem(line=number, path="$", code="invalid_json", message=message)]


def _segment(batch: Batch, prefix: str, objects: Objects, now: datetime) -> Segment:
    key, written = objects.put_segment(prefix, batch.lines)
    return Segment(
        sha256=written.sha256,
        key=key,
        examples=len(batch.lines),
        tokens=batch.tokens,
        bytes=written.bytes,
        revision=0,
        created_at=now,
    )
