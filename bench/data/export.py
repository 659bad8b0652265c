"""The cost of an export: 200,000 examples, in segments as collecting writes them, frozen into files on one core.

Measured is the processor time of `WriteExport`, which reads, decides, removes duplicates, splits, proves and writes;
the best of four rounds counts. Segments lie in a folder instead of S3, and uploads are made and thrown away; the rest
is the product's own code. "Without near duplicates" means that the segments hold no MinHash bands.
`near_duplicate_ratio` also counts the MinHashes of every example, which collecting makes once for all exports;
`near_duplicate_join_ratio` counts only what an export itself does.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson

from bench.data.lines import chat_lines
from export_data.write_export import WriteExport
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Dataset, OnDrop, Segment
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.policy import DEFAULT
from tuneloop.domain.exports.example_hashes import folded_prompt
from tuneloop.domain.exports.exports import Export
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import SegmentBuilder, line_of, read_line
from tuneloop.store.repositories.contents import Contents
from tuneloop.validation.minhash import minhash_signature

EXAMPLES = 200_000
TRIES = 4
NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAIN = Dataset(
    tenant="bench", id="chat", model="chat", base_model="base", salt="s", on_drop=OnDrop.COLLECT, created_at=NOW
)


class Folder:
    """A folder in place of S3, with the operations that an export uses; it keeps segments and throws uploads away."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_object(self, **sent: Any) -> None:
        """Write a segment to a file; throw away what is exported."""
        if sent["Key"].startswith("datasets/"):
            path = self._root / sent["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sent["Body"].read())

    def get_object(self, **wanted: Any) -> dict[str, Any]:
        """Open the file of a segment."""
        return {"Body": (self._root / wanted["Key"]).open("rb")}

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        """Begin an upload in parts."""
        return {"UploadId": "1"}

    def upload_part(self, **_: Any) -> dict[str, Any]:
        """Throw a part away."""
        return {"ETag": "1"}

    def complete_multipart_upload(self, **_: Any) -> None:
        """End an upload in parts."""


class ExportRows:
    """The rows of a dataset that has segments, no reviews, and nothing erased."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments

    def get(self, *_: Any) -> Dataset:
        """The dataset."""
        return PLAIN

    def segments(self, *_: Any) -> list[Segment]:
        """The dataset's segments."""
        return self._segments

    def all(self, *_: Any) -> Iterator[Any]:
        """The dataset's reviews: none."""
        return iter(())

    def after(self, *_: Any) -> ErasureMarks:
        """The erasure marks of the dataset: none."""
        return ErasureMarks(PLAIN.tenant, [])


def figures(examples: int = EXAMPLES) -> dict[str, float]:
    """Examples per second without near duplicates, and the ratios of the time with them to the time without."""
    with tempfile.TemporaryDirectory() as folder:
        client: Any = Folder(Path(folder))
        objects = Objects(client, "bench")
        prompts, lines = _collected(examples)
        count = len(lines)
        near, plain = (
            ExportRows(_segments(objects, lines)),
            ExportRows(_segments(objects, map(_without_bands, lines))),
        )
        del lines
        steps = (partial(_export, plain, objects), partial(_export, near, objects), partial(_hash_prompts, prompts))
        plain_s, near_s, minhashes_s = _quickest(steps)
    return {
        "export_examples_per_s": round(count / plain_s),
        "near_duplicate_ratio": round((near_s + minhashes_s) / plain_s, 2),
        "near_duplicate_join_ratio": round(near_s / plain_s, 2),
        "export_us_per_example": round(1e6 * plain_s / count, 1),
        "minhashes_us_per_example": round(1e6 * minhashes_s / count, 1),
    }


def _collected(count: int) -> tuple[list[str], list[bytes]]:
    """The folded prompts of the valid ones among `count` lines, and these lines as segments store them."""
    prompts: list[str] = []
    lines: list[bytes] = []
    for number, line in enumerate(chat_lines(count), start=1):
        try:
            example = read_example(orjson.loads(line), number)
        except orjson.JSONDecodeError:
            continue
        if isinstance(example, Example):
            prompts.append(folded_prompt(example))
            lines.append(line_of(example).text)
    return prompts, lines


def _hash_prompts(prompts: list[str]) -> None:
    for prompt in prompts:
        minhash_signature(prompt)


def _without_bands(line: bytes) -> bytes:
    stored = read_line(line)
    stored.near = ""
    return msgspec.json.encode(stored)


def _segments(objects: Objects, lines: Iterable[bytes]) -> list[Segment]:
    segments: list[Segment] = []
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) >= SEGMENT_BYTES:
            segments.append(_segment(objects, batch))
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    return [*segments, _segment(objects, batch)]


def _segment(objects: Objects, lines: list[bytes]) -> Segment:
    builder = SegmentBuilder()
    builder.add(sorted(lines), tokens=0)
    return builder.write("datasets/bench/chat/segments/", objects, revision=1, without=0, now=NOW)


def _export(rows: Any, objects: Objects) -> Export:
    return WriteExport(Contents(rows, rows, objects, rows), objects).write(PLAIN, 1, DEFAULT, now=NOW)


def _quickest(steps: Sequence[Callable[[], object]]) -> list[float]:
    """The processor seconds of each step at its quickest, as other work on the machine only adds to it.

    The steps take turns, so that a busy minute slows all of them.
    """
    rounds = [[_seconds(step) for step in steps] for _ in range(TRIES)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
