"""Drops: files and posts that come in for a dataset, whose they are, and what became of each.

A file on OpenAI's wire is a dataset that came whole, under an id made of its content, so that uploading it twice is
uploading it once. All of it trains: whoever uploads a file has chosen what is in it and keeps a test set of their own.
"""

import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import Name, checked_name, derived_id
from tuneloop.domain.datasets.policy import Policy

FILENAME = r"^[A-Za-z0-9._-]+\.(jsonl|csv)(\.gz|\.zst)?$"
"""What an uploaded file may be called."""


class RefusedDrop(BaseModel):
    """A file under a path that names no tenant and dataset of ours; nothing of the file was read."""

    id: Name
    object: str
    code: str
    message: str
    created_at: datetime


def drop_id(key: str, content: str) -> str:
    """The id of a drop, from its object's key and from what identifies the object's content: version or ETag."""
    return derived_id("drop", key, content)


class DropPath(BaseModel):
    """Tenant and dataset that an object's path names, and the split that its folder names, if it names one."""

    tenant: Name
    dataset: Name
    split: Split | None = None


def parse_drop_path(key: str) -> DropPath:
    """Read `incoming/{tenant}/{dataset}/[train|validation|test/]{file}`, or say what the path should be.

    What follows is the file's own business: any text, and any folders.
    """
    parts = key.split("/")
    if len(parts) < 4 or parts[0] != "incoming" or not parts[-1]:
        raise InvalidInput("A drop lies at incoming/{tenant}/{dataset}/{file}.jsonl.", param="key", code="invalid_path")
    folder = parts[3] if len(parts) > 4 else None
    split = Split(folder) if folder in set(Split) else None
    return DropPath(tenant=checked_name(parts[1], "tenant"), dataset=checked_name(parts[2], "dataset"), split=split)


class DropStatus(StrEnum):
    """Where a drop stands."""

    READING = "reading"
    COLLECTED = "collected"
    REJECTED = "rejected"
    FAILED = "failed"


class Drop(BaseModel):
    """One file or collection of examples on its way into a dataset; `problems` holds the first 100.

    `template` is the version of the dataset's template that its `{input, output}` lines are rendered through: the one
    of when it came, so that reading it again makes the same examples.
    """

    id: Name
    tenant: Name
    dataset: Name
    object: str
    status: DropStatus = DropStatus.READING
    template: int | None = None
    lines: int = 0
    examples: int = 0
    problem_count: int = 0
    problems: list[Problem] = []
    created_at: datetime
    finished_at: datetime | None = None
    seq: int = 0

    @property
    def place(self) -> tuple[str, str]:
        """Its tenant and dataset."""
        return self.tenant, self.dataset

    def with_failure(self, problem: Problem, now: datetime) -> "Drop":
        """The drop as failed after its last try: the only problem that stays is why it failed."""
        ended = {"status": DropStatus.FAILED, "problem_count": 1, "problems": [problem], "finished_at": now}
        return self.model_copy(update=ended)


FILE_PREFIX = "file"
# Between the two all files lie among names in order, and few others: `~` sorts behind whatever a name may hold.
FIRST_FILE_ID, LAST_FILE_ID = f"{FILE_PREFIX}-", f"{FILE_PREFIX}-~"
FILE_ID = re.compile(rf"{FILE_PREFIX}-[0-9a-f]{{24}}")  # as `file_id` makes them
FILE_POLICY = Policy(min_quality=0.0, min_user_characters=0, near_duplicates=True, conflicting=True, take_test=False)
"""The policy of a file's exports: all lines, each once."""


class UploadedFile(BaseModel):
    """An uploaded file as its user sees it; its examples are those of the dataset that has the file's id."""

    tenant: Name
    id: Name
    filename: str
    bytes: int
    purpose: str
    created_at: datetime
    seq: int = 0


def sorts_among_file_ids(name: str) -> bool:
    """Whether a name would be listed among files' ids though it isn't one, so that no dataset may have it."""
    return FIRST_FILE_ID <= name <= LAST_FILE_ID and not is_file_id(name)


def is_file_id(name: str) -> bool:
    """Whether a dataset or a model is a file of OpenAI's wire, by its name, which nobody makes up by chance."""
    return FILE_ID.fullmatch(name) is not None


def file_id(tenant: str, sha256: str, purpose: str) -> str:
    """The id of a file, from its content and what it is for."""
    return derived_id(FILE_PREFIX, tenant, sha256, purpose)
