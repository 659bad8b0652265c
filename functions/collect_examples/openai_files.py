"""OpenAI's files: an uploaded file becomes a dataset, which is checked and collected before the upload is answered.

A line that would make OpenAI's job fail later is refused at once, and nothing is made of a file that can't be used. A
repeated upload continues where the first one ended: file, dataset, drop and segments are all named by their content,
and the file's row is written last.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from collect_examples.datasets import EnsureDataset
from collect_examples.ingest import IngestDrop, records_in
from collect_examples.views import NewDataset
from tuneloop.api.multipart import Form
from tuneloop.api.requests import LARGE_FILE
from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.chat.messages import canonical
from tuneloop.domain.core.errors import InvalidFile, NotSupported, TooLarge
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.core.limits import ANSWERED_BYTES, FILE_BYTES, LINE_BYTES
from tuneloop.domain.datasets.datasets import OnDrop, OnInvalid
from tuneloop.domain.datasets.drops import FILE_POLICY, Drop, DropStatus, UploadedFile, file_id
from tuneloop.domain.datasets.policy import ExampleKind
from tuneloop.domain.datasets.records import read_record
from tuneloop.domain.exports.conversions import openai_pair
from tuneloop.openai_wire.files import TRAINING_PURPOSE
from tuneloop.runtime.settle import send_settle_reminder
from tuneloop.store.objects.drop_reader import EMPTY, Clock, DropReader
from tuneloop.store.objects.segments import Stored
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.files import UploadedFiles
from tuneloop.validation.decompress import split_lines

ENDING = ".jsonl"
OBJECT = f"upload{ENDING}"  # the name that a file's drop shows; a caller's own file name is never used as a key
NO_EXPIRY = "A file is a dataset here and doesn't expire: leave out `expires_after`, and erase what is to go."
MIXED = "The file holds conversations and preference pairs: a job trains on one kind. Send each in a file of its own."
FIELDS = frozenset({"file", "purpose"})
TOO_LARGE_TO_ANSWER = (
    "The file is larger than an answer may be. Its export has a download link: `GET /v1/datasets/{0}/exports`, then "
    "`GET /v1/datasets/{0}/exports/{{export}}`; `POST` to the first makes one."
)
# Seconds of the caller's time for which no more is read, to store the examples and to answer.
ANSWER_MARGIN_S = 3.0
# Seconds to read for a caller without a deadline, whose remaining time is infinite and can't be added to a date.
LONGEST_S = 3600
EXPIRY = ("expires_after[anchor]", "expires_after[seconds]")


class FileUpload(NamedTuple):
    """An uploaded file: its name, purpose and content."""

    filename: str
    purpose: str
    content: bytes

    def file(self, tenant: str, now: datetime) -> UploadedFile:
        """The file's row; its id is derived from tenant, content and purpose, so a repeated upload has the same."""
        identity = file_id(tenant, hashlib.sha256(self.content).hexdigest(), self.purpose)
        size = len(self.content)
        file_fields = {"filename": self.filename, "bytes": size, "purpose": self.purpose}
        return UploadedFile(tenant=tenant, id=identity, created_at=now, **file_fields)

    @property
    def lines(self) -> list[bytes | None]:
        """The file's lines; None stands for a line that is longer than LINE_BYTES."""
        return list(split_lines(iter([self.content]), LINE_BYTES))


def upload_in(form: Form) -> FileUpload:
    """The uploaded file in a form.

    InvalidFile if a field is missing or unknown, or if the purpose isn't fine-tuning; TooLarge beyond FILE_BYTES;
    NotSupported if the file is to expire.
    """
    if any(name in form for name in EXPIRY):
        raise NotSupported(NO_EXPIRY, param="expires_after")
    if unknown := sorted(form.keys() - FIELDS):
        raise InvalidFile(f"{unknown[0]}: is not known here; a file comes with `purpose`.", code="invalid_form")
    file, purpose = form.get("file"), form.get("purpose")
    if purpose is None or purpose.text != TRAINING_PURPOSE:
        raise InvalidFile(f"purpose: must be `{TRAINING_PURPOSE}`.", param="purpose", code="invalid_purpose")
    if file is None or not file.filename:
        raise InvalidFile("file: is required, with a name that ends in .jsonl.", param="file")
    if not file.filename.endswith(ENDING):
        raise InvalidFile("file: its name must end in .jsonl.", param="file", code="invalid_file_format")
    if len(file.content) > FILE_BYTES:
        raise TooLarge(LARGE_FILE, param="file")
    return FileUpload(file.filename, TRAINING_PURPOSE, file.content)


@dataclass(frozen=True)
class CreateFile:
    """Makes datasets of uploaded files; `remaining_s` returns the seconds that the caller still waits."""

    files: UploadedFiles
    datasets: Datasets
    ensure_dataset: EnsureDataset
    ingest_drop: IngestDrop
    queue: Queue
    settle_s: int
    remaining_s: Callable[[], float]

    def create(self, tenant: str, upload: FileUpload) -> UploadedFile:
        """The stored file with an upload's content, collected if it is new; InvalidFile if it can't be used."""
        now = self.ingest_drop.clock()
        file = upload.file(tenant, now)
        if stored := self.files.find(tenant, file.id):
            return stored
        kind = checked_kind(upload, self.ingest_drop.clock, self._ends())
        # All lines of a file train, each once, and only when somebody creates a job.
        policy = FILE_POLICY.model_copy(update={"kind": kind})
        self.ensure_dataset.ensure(tenant, NewDataset(id=file.id, on_drop=OnDrop.COLLECT, policy=policy), now)
        identity = derived_id("drop", tenant, file.id)
        new = Drop(id=identity, tenant=tenant, dataset=file.id, object=OBJECT, created_at=now)
        drop = self.ingest_drop.ingest(self.datasets.start_drop(new), upload.lines, Split.TRAIN, self._ends())
        send_settle_reminder(self.datasets.get(*drop.place), settle_s=self.settle_s, queue=self.queue)
        if drop.status != DropStatus.COLLECTED:
            raise _refusal(next(iter(drop.problems), EMPTY), max(1, drop.problem_count))
        return self.files.add(file)

    def _ends(self) -> datetime:
        """When reading must end, at most an hour from now."""
        return self.ingest_drop.clock() + timedelta(seconds=min(self.remaining_s() - ANSWER_MARGIN_S, LONGEST_S))


@dataclass(frozen=True)
class ReadFile:
    """Returns the examples of a file as lines."""

    files: UploadedFiles
    datasets: Datasets
    contents: Contents

    def content(self, tenant: str, file: str) -> str:
        """A file's examples as JSONL; TooLarge, naming the export's download link, if they don't fit into an answer."""
        dataset = self.datasets.get(tenant, self.files.get(tenant, file).id)
        lines: list[bytes] = []
        room = ANSWERED_BYTES
        with self.contents.examples(tenant, dataset.id, dataset.revision) as examples:
            for current in examples:
                line = _line_of(current.stored)
                # The answer is a JSON text, in which quotes, backslashes and the line's own end take two bytes each.
                room -= len(line) + line.count(b'"') + line.count(b"\\") + 2
                if room < 0:
                    raise TooLarge(TOO_LARGE_TO_ANSWER.format(dataset.id), param="file")
                lines.append(line)
        return b"".join(line + b"\n" for line in lines).decode()


def _line_of(stored: Stored) -> bytes:
    """An example as a line in OpenAI's fine-tuning format."""
    return canonical(openai_pair(stored.example.content)).encode() if stored.preference else bytes(stored.content)


def checked_kind(upload: FileUpload, clock: Clock, ends: datetime) -> ExampleKind:
    """The kind of a file's examples; InvalidFile for the first line that can't be used, with the number of such lines.

    InvalidFile also if the file mixes both kinds: a job trains on one.
    """
    reader = DropReader(OnInvalid.REJECT, clock, ends)
    read = partial(read_record, split=Split.TRAIN)
    for _ in reader.lines_of(upload.lines, records_in(OBJECT, None), read):
        pass  # the examples aren't needed yet: reading them finds the problems
    if reader.problem_count:
        raise _refusal(reader.problems[0], reader.problem_count)
    if reader.pairs not in (0, reader.examples):
        raise InvalidFile(MIXED, param="file", code="mixed_kinds")
    return ExampleKind.PREFERENCE if reader.pairs else ExampleKind.SUPERVISED


def _refusal(first: Problem, count: int) -> InvalidFile:
    """The error that names a file's first problem and how many more lines have one."""
    path = first.path.removeprefix("$").removeprefix(".")
    place = ", ".join(filter(None, [f"line {first.line}" if first.line else "", path]))
    more = f" The file has {count - 1} more such faults." if count > 1 else ""
    return InvalidFile(f"{place or 'file'}: {first.message} [{first.code}]{more}", param="file")
