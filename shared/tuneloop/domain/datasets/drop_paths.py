"""Drop paths: whose a dropped file is, by where it lies, and the note of one that is nobody's."""

from datetime import datetime

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import Name, checked_name, derived_id

FILENAME = r"^[A-Za-z0-9._-]+\.(jsonl|csv)(\.gz|\.zst)?$"
"""What an uploaded file may be called."""


class RefusedDrop(BaseModel):
    """A file that lies where no drop can be told whose it is; nothing of it was read."""

    id: Name
    object: str
    code: str
    message: str
    created_at: datetime


def drop_id(key: str, content: str) -> str:
    """The id of an object as a drop, by its key and what tells its content: its version or its ETag."""
    return derived_id("drop", key, content)


class DropPath(BaseModel):
    """What an object's path says: whose it is, which dataset, and the split its folder names."""

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
