"""Files: an upload on OpenAI's wire becomes a dataset, checked and collected before it is answered.

What OpenAI would say of a line in a job that fails later is said at once, and nothing is made of a file that can't be
used. A repetition at any point goes on where the first try ended: file, dataset, drop and segments are all named by
their content, and the file's row comes last.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from collect_examples.records import records_in
from collect_examples.views import NewDataset
from tuneloop.api.json_body import LARGE_FILE
from tuneloop.api.multipart import Form
from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.errors import InvalidFile, NotSupported, TooLarge
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.core.limits import FILE_BYTES, LINE_BYTES
from tuneloop.domain.datasets.datasets import Drop, DropStatus, OnDrop, OnInvalid
from tuneloop.domain.datasets.policy import ExampleKind
from tuneloop.domain.datasets.records import read_record
from tuneloop.domain.datasets.uploaded_files import EVERYTHING, UploadedFile, file_id
from tuneloop.openai_wire.files import TRAINING_PURPOSE
from tuneloop.store.objects.drop_reader import EMPTY, DropReader
from tuneloop.validation.decompress import split_lines

ENDING = ".jsonl"
OBJECT = f"upload{ENDING}"  # under which a drop is shown; a name of the caller's is never a place of ours
NO_EXPIRY = "A file is a dataset here and doesn't expire: leave out `expires_after`, and erase what is to go."
MIXED = "The file holds conversations and preference pairs: a job trains on one kind. Send each in a file of its own."
FIELDS = frozenset({"file", "purpose"})
EXPIRY = ("expires_after[anchor]", "expires_after[seconds]")


class FileUpload(NamedTuple):
    """A file as it was sent."""

    filename: str
    purpose: str
    content: bytes

    def file(self, tenant: str, now: datetime) -> UploadedFile:
        """The file that it is to be."""
        identity = file_id(tenant, hashlib.sha256(self.content).hexdigest(), self.purpose)
        size = len(self.content)
        told = {"filename": self.filename, "bytes": size, "purpose": self.purpose}
        return UploadedFile(tenant=tenant, id=identity, created_at=now, **told)

    @property
    def lines(self) -> list[bytes | None]:
        """Its lines, None being one that is too long."""
        return list(split_lines(iter([self.content]), LINE_BYTES))


def upload_in(form: Form) -> FileUpload:
    """The upload in a form; InvalidFile where a field is missing, unknown, or not for fine-tuning."""
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


def checked_kind(upload: FileUpload, clock: Callable[[], datetime], ends: datetime) -> ExampleKind:
    """What the lines teach; InvalidFile at the first that can't be used, saying how many there are."""
    reader = DropReader(OnInvalid.REJECT, clock, ends)
    read = partial(read_record, split=Split.TRAIN)
    for _ in reader.lines_of(upload.lines, records_in(OBJECT, None), read):
        pass  # made and let go: whether they can be made is what is to be known
    if reader.problem_count:
        raise _refusal(reader.problems[0], reader.problem_count)
    if reader.pairs not in (0, reader.examples):
        raise InvalidFile(MIXED, param="file", code="mixed_kinds")
    return ExampleKind.PREFERENCE if reader.pairs else ExampleKind.SUPERVISED


def dataset_of(file: UploadedFile, kind: ExampleKind) -> NewDataset:
    """The dataset that a file is: all of it trains, and only when somebody asks."""
    policy = EVERYTHING.model_copy(update={"kind": kind})
    return NewDataset(id=file.id, on_drop=OnDrop.COLLECT, policy=policy)


def drop_of(file: UploadedFile) -> Drop:
    """The drop that accounts for a file's lines."""
    identity = derived_id("drop", file.tenant, file.id)
    return Drop(id=identity, tenant=file.tenant, dataset=file.id, object=OBJECT, created_at=file.created_at)


def require_collected(drop: Drop) -> None:
    """Raise InvalidFile for a drop that added nothing."""
    if drop.status != DropStatus.COLLECTED:
        raise _refusal(next(iter(drop.problems), EMPTY), max(1, drop.problem_count))


def _refusal(first: Problem, count: int) -> InvalidFile:
    path = first.path.removeprefix("$").removeprefix(".")
    place = ", ".join(filter(None, [f"line {first.line}" if first.line else "", path]))
    more = f" The file has {count - 1} more such faults." if count > 1 else ""
    return InvalidFile(f"{place or 'file'}: {first.message} [{first.code}]{more}", param="file")
