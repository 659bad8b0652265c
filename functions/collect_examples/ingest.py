"""Collecting a file: lines become examples, examples become segments, and the dataset is told to settle.

A file with a line that can't be used adds nothing, unless its dataset skips such lines; a file that can't be read to
its end adds nothing in any case. Segments are named by their content and rows are added last, once the end was reached,
so a repetition at any point continues where the first try ended.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial

from collect_examples.records import records_in
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Drop, Segment
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.records import read_record
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.drop_reader import Clock, DropReader, Lines
from tuneloop.store.objects.segments import folder_of, write_collected
from tuneloop.store.objects.stored_lines import EncodedLine, without_erased
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.posts import UNREAD

TRIES = 5


def ingest_drop(
    drop: Drop,
    lines: Lines,
    split: Split | None,
    *,
    datasets: Datasets,
    objects: Objects,
    erasures: Erasures,
    clock: Clock,
    ends: datetime | None = None,
) -> Drop:
    """Turn a drop's lines into segments of its dataset, in the time until `ends`; gives the drop as it ended."""
    if drop.status not in UNREAD:
        return drop
    dataset = datasets.get(*drop.place)
    reader = DropReader(dataset.on_invalid, clock, ends)
    read = partial(read_record, split=split, template=dataset.template_of(drop.template))
    stored = reader.lines_of(lines, records_in(drop.object, dataset.csv), read)
    erased = erasures.after(*drop.place, 0)
    segments = list(_segments(reader, stored, erased, folder_of(*drop.place), objects, clock()))
    now = clock()
    if reader.is_usable:
        for segment in segments:
            datasets.add_segment(drop.tenant, drop.dataset, segment.model_copy(update={"created_at": now}))
    return _saved(reader.finished_drop(drop, now), datasets)


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
    reader: DropReader, lines: Iterable[EncodedLine], erased: Erased, folder: str, objects: Objects, now: datetime
) -> Iterator[Segment]:
    """The usable examples in objects of bounded size, each written as soon as it is full."""
    held: list[EncodedLine] = []
    size = 0
    for line in without_erased(lines, erased):
        if not reader.is_usable:  # what is still read is read for its problems
            continue
        if held and size + len(line.text) >= SEGMENT_BYTES:
            yield write_collected(held, erased, folder, objects, now)
            held, size = [], 0
        held.append(line)
        size += len(line.text)
    if held and reader.is_usable:
        yield write_collected(held, erased, folder, objects, now)
