"""Collecting a file: its key names a drop, its lines become examples, and the examples are written as segments.

A file with a line that can't be used adds nothing, unless its dataset skips such lines; a file that can't be read to
its end never adds anything. Segments are named by their content, and their rows are written only once the end of the
file was reached, so a repeated try continues where the first one ended.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from collect_examples.datasets import EnsureDataset
from collect_examples.views import NewDataset
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import InvalidInput, NotFound
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.csv_reader import CsvColumns, csv_records
from tuneloop.domain.datasets.datasets import Segment
from tuneloop.domain.datasets.drops import Drop, DropPath, RefusedDrop, drop_id, parse_drop_path
from tuneloop.domain.datasets.records import Record, read_record
from tuneloop.observability import count
from tuneloop.runtime.settle import send_settle_reminder
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.drop_reader import Clock, DropReader, Lines, count_drop
from tuneloop.store.objects.segments import EncodedLine, folder_of, without_erased, write_collected
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.posts import UNREAD
from tuneloop.store.repositories.tenants import Tenants
from tuneloop.store.retry import retry_from
from tuneloop.validation.decompress import is_table
from tuneloop.validation.line_parser import json_records

# Seconds of the function's time for which no more is read, to write the last segment of 32 MiB and the rows. A function
# that is killed instead leaves the drop without a reason that its user could read.
WRITE_MARGIN_S = 20
UNKNOWN_TENANT = "The tenant in the path does not exist. `tuneloop keys create` makes one; then drop the file again."


@dataclass(frozen=True)
class IngestDrop:
    """Reads the lines of a drop and writes their examples as segments of its dataset."""

    datasets: Datasets
    objects: Objects
    erasures: Erasures
    clock: Clock

    def ingest(self, drop: Drop, lines: Lines, split: Split | None = None, ends: datetime | None = None) -> Drop:
        """Collect the lines of a drop until `ends`, after which reading fails; returns the drop as it ended.

        A drop that has ended already is returned unchanged. `split` marks every example for one split.
        """
        if drop.status not in UNREAD:
            return drop
        dataset = self.datasets.get(*drop.place)
        reader = DropReader(dataset.on_invalid, self.clock, ends)
        read = partial(read_record, split=split, template=dataset.template_of(drop.template))
        examples = reader.lines_of(lines, records_in(drop.object, dataset.csv), read)
        segments = list(self._segments(drop, reader, examples))
        now = self.clock()
        if reader.is_usable:
            for segment in segments:
                self.datasets.add_segment(drop.tenant, drop.dataset, segment.model_copy(update={"created_at": now}))
        ended = self._save_ended(drop, reader.finished_drop(drop, now))
        count_drop(ended)
        return ended

    def _segments(self, drop: Drop, reader: DropReader, examples: Iterable[EncodedLine]) -> Iterator[Segment]:
        """Write the usable examples as segments of at most SEGMENT_BYTES, each as soon as it is full."""
        erased, folder, now = self.erasures.after(*drop.place, 0), folder_of(*drop.place), self.clock()
        pending: list[EncodedLine] = []
        size = 0
        for line in without_erased(examples, erased):
            if not reader.is_usable:  # the file is rejected already: the other lines are read to report their problems
                continue
            if pending and size + len(line.text) >= SEGMENT_BYTES:
                yield write_collected(pending, erased, folder, self.objects, now)
                pending, size = [], 0
            pending.append(line)
            size += len(line.text)
        if pending and reader.is_usable:
            yield write_collected(pending, erased, folder, self.objects, now)

    def _save_ended(self, drop: Drop, ended: Drop) -> Drop:
        """Store how a drop ended; returns the stored drop, which another delivery of the file may have ended first.

        A drop that the sweep gave up in the meantime counts as unread, so that it still takes this end.
        """

        def save(stored: Drop) -> Drop:
            """Replace the stored drop by the ended one, unless the stored one has ended too."""
            if stored.status not in UNREAD:
                return stored
            return self.datasets.save_drop(ended.model_copy(update={"seq": stored.seq}))

        return retry_from(drop, lambda: self.datasets.drop(*drop.place, drop.id), save, f"Drop {drop.id}")


@dataclass(frozen=True)
class CollectFile:
    """Collects a file under `incoming/`, makes its dataset if there is none, and has the dataset settle."""

    tenants: Tenants
    datasets: Datasets
    ensure_dataset: EnsureDataset
    ingest_drop: IngestDrop
    queue: Queue
    settle_s: int

    def collect(self, key: str, content: str, version: str | None, remaining_s: float) -> None:
        """Collect a file within `remaining_s` seconds; its key and `content` (version or ETag) identify its drop."""
        now = self.ingest_drop.clock()
        path = self._path_of(key, content, now)
        if path is None:
            count("DropsRefused")
            return
        drop = self._drop(path, key, content, now)
        lines = self.ingest_drop.objects.dropped_lines(key, version)
        ends = self.ingest_drop.clock() + timedelta(seconds=remaining_s - WRITE_MARGIN_S)
        ended = self.ingest_drop.ingest(drop, lines, path.split, ends)
        send_settle_reminder(self.datasets.get(*ended.place), settle_s=self.settle_s, queue=self.queue)

    def _path_of(self, key: str, content: str, now: datetime) -> DropPath | None:
        """The tenant, dataset and split that a key names; None, with a note for the operator, if no tenant owns it."""
        try:
            path = parse_drop_path(key)
            if not self.tenants.exists(path.tenant):
                raise NotFound(UNKNOWN_TENANT, param="tenant", code="unknown_tenant")
        except (InvalidInput, NotFound) as error:
            refused = {"object": key, "code": error.code, "message": error.message, "created_at": now}
            self.datasets.refuse(RefusedDrop(id=drop_id(key, content), **refused))
            return None
        return path

    def _drop(self, path: DropPath, key: str, content: str, now: datetime) -> Drop:
        """The drop of a file: the stored one if the file was delivered before, else a new one."""
        dataset = self.ensure_dataset.ensure(path.tenant, NewDataset(id=path.dataset), now)
        identity = drop_id(key, content)
        if drop := self.datasets.find_drop(path.tenant, path.dataset, identity):
            return drop
        owner = {"tenant": dataset.tenant, "dataset": dataset.id, "template": dataset.template_version}
        return self.datasets.start_drop(Drop(id=identity, object=key, created_at=now, **owner))


def records_in(name: str, columns: CsvColumns | None) -> "partial[Iterator[Record]]":
    """The function that reads records from a file's lines: CSV if the file's name ends like one, JSONL otherwise."""
    return partial(csv_records, columns=columns) if is_table(name) else partial(json_records)
