"""Drops: files and posts that come in for a dataset, the dataset they belong to, and the outcome of each.

A file that is uploaded by OpenAI's API is a dataset of its own, whose id is made from its content, so that a file
uploaded twice is stored once. All of its lines train: whoever uploads a file has chosen its lines, and keeps a test set
of their own.
"""

import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import Name, checked_name, derived_id
from tuneloop.domain.datasets.policy import Policy

# The names that an uploaded file may have.
FILENAME = r"^[A-Za-z0-9._-]+\.(jsonl|csv)(\.gz|\.zst)?$"
FILE_PREFIX = "file"
# Between these two all file ids lie in the order of names, and few other names: `~` sorts behind all that a name holds.
FIRST_FILE_ID, LAST_FILE_ID = f"{FILE_PREFIX}-", f"{FILE_PREFIX}-~"
FILE_ID = re.compile(rf"{FILE_PREFIX}-[0-9a-f]{{24}}")  # as `file_id` makes them
# The policy of a file's exports: all lines, each once.
FILE_POLICY = Policy(min_quality=0.0, min_user_characters=0, near_duplicates=True, conflicting=True, take_test=False)


class RefusedDrop(BaseModel):
    """A file whose path names no tenant and dataset of this stage; nothing of the file was read."""

    id: Name
    object: str
    code: str
    message: str
    created_at: datetime


class DropPath(BaseModel):
    """The tenant and dataset that an object's path names, and the split that its folder names, if it names one."""

    tenant: Name
    dataset: Name
    split: Split | None = None


class DropStatus(StrEnum):
    """How far the reading of a drop is, or how it ended."""

    READING = "reading"
    COLLECTED = "collected"
    REJECTED = "rejected"
    FAILED = "failed"


class Drop(BaseModel):
    """One file or post of examples for a dataset, and what became of it; `problems` holds the first 100.

    `template` is the version of the dataset's template when the drop came. Its `{input, output}` lines are rendered
    through that version, so that reading the drop again gives the same examples.
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
        """The tenant and dataset of the drop."""
        return self.tenant, self.dataset

    def with_failure(self, problem: Problem, now: datetime) -> "Drop":
        """The drop as failed after its last try; the reason is the only problem that is kept."""
        ended = {"status": DropStatus.FAILED, "problem_count": 1, "problems": [problem], "finished_at": now}
        return self.model_copy(update=ended)


class UploadedFile(BaseModel):
    """A file uploaded by OpenAI's API, as its user sees it; its examples are in the dataset that has the file's id."""

    tenant: Name
    id: Name
    filename: str
    bytes: int
    purpose: str
    created_at: datetime
    seq: int = 0


def drop_id(key: str, content: str) -> str:
    """The id of a drop, from its object's key and the version or ETag (`content`) of the object."""
    return derived_id("drop", key, content)


def parse_drop_path(key: str) -> DropPath:
    """Parse `incoming/{tenant}/{dataset}/[train|validation|test/]{file}`; InvalidInput says what the path should be.

    The file's name may be any text, with any folders in it.
    """
    parts = key.split("/")
    if len(parts) < 4 or parts[0] != "incoming" or not parts[-1]:
        raise InvalidInput("A drop lies at incoming/{tenant}/{dataset}/{file}.jsonl.", param="key", code="invalid_path")
    folder = parts[3] if len(parts) > 4 else None
    split = Split(folder) if folder in set(Split) else None
    return DropPath(tenant=checked_name(parts[1], "tenant"), dataset=checked_name(parts[2], "dataset"), split=split)


def sorts_among_file_ids(name: str) -> bool:
    """Whether a name sorts among the file ids without being one; a dataset of that name would be listed as a file."""
    return FIRST_FILE_ID <= name <= LAST_FILE_ID and not is_file_id(name)


def is_file_id(name: str) -> bool:
    """Whether a name is the id of an uploaded file: 24 hex digits, which nobody chooses for a dataset by chance."""
    return FILE_ID.fullmatch(name) is not None


def file_id(tenant: str, sha256: str, purpose: str) -> str:
    """The id of an uploaded file, from the hash of its content and its purpose."""
    return derived_id(FILE_PREFIX, tenant, sha256, purpose)
