"""Uploaded files as OpenAI lists them."""

from typing import Literal

from tuneloop.openai_wire.pages import Page
from tuneloop.openai_wire.shape import Shape

TRAINING_PURPOSE = "fine-tune"
RESULTS_PURPOSE = "fine-tune-results"
# OpenAI's own limits: 512 MB a file, and from an hour to 30 days until it expires.
FILE_LIMIT_BYTES = 512 * 1024 * 1024
EXPIRES_AFTER_S = range(3_600, 2_592_001)


class FileObject(Shape):
    """One stored file; times in seconds since 1970, `bytes` its size."""

    id: str
    object: Literal["file"] = "file"
    bytes: int = 0
    created_at: int = 0
    expires_at: int | None = None
    filename: str = ""
    purpose: str = ""
    status: str = "processed"
    status_details: str | None = None


class FileList(Page[FileObject]):
    """The answer to `GET /v1/files`."""
