"""Files: datasets that came whole, in one upload on OpenAI's wire, under an id made of what they hold.

The same content is the same file, so uploading it twice is uploading it once. All of it trains: whoever uploads a file
has chosen what is in it and keeps his own test set.
"""

import re
from datetime import datetime

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, derived_id
from tuneloop.domain.datasets.policy import Policy

PREFIX = "file"
# Between the two all files lie among names in order, and few others: `~` sorts behind whatever a name may hold.
FIRST_ID, LAST_ID = f"{PREFIX}-", f"{PREFIX}-~"
A_FILE = re.compile(rf"{PREFIX}-[0-9a-f]{{24}}")  # as `file_id` makes them
EVERYTHING = Policy(min_quality=0.0, min_user_characters=0, near_duplicates=True, conflicting=True, take_test=False)
"""The policy of a file's exports: all lines, each once."""


class UploadedFile(BaseModel):
    """What was uploaded, as its user sees it; the examples are those of the dataset of its id."""

    tenant: Name
    id: Name
    filename: str
    bytes: int
    purpose: str
    created_at: datetime
    seq: int = 0


def is_like_file_id(name: str) -> bool:
    """Whether a name lies among those of files, though it is none."""
    return FIRST_ID <= name <= LAST_ID and not is_file_id(name)


def is_file_id(name: str) -> bool:
    """Whether a dataset or a model is a file of OpenAI's wire, by its name, which nobody makes up by chance."""
    return A_FILE.fullmatch(name) is not None


def file_id(tenant: str, sha256: str, purpose: str) -> str:
    """The id of a file, from its content and what it is for."""
    return derived_id(PREFIX, tenant, sha256, purpose)
