"""Files too large for one request, sent in parts, as OpenAI's uploads do it."""

from typing import Annotated, Literal

from pydantic import Field

from tuneloop.openai_wire.files import FileObject
from tuneloop.openai_wire.shape import Shape

# OpenAI's own limits: 64 MB a part, 8 GB an upload, which expires after an hour.
PART_LIMIT_BYTES = 64 * 1024 * 1024
UPLOAD_LIMIT_BYTES = 8 * 1024 * 1024 * 1024
EXPIRES_S = 3_600


class FileExpiry(Shape):
    """When the finished file goes: seconds after it was made."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3_600, le=2_592_000)]


class UploadRequest(Shape):
    """The body of `POST /v1/uploads`; `bytes` is what all parts will add up to."""

    bytes: Annotated[int, Field(ge=1, le=UPLOAD_LIMIT_BYTES)]
    filename: Annotated[str, Field(min_length=1, max_length=500)]
    mime_type: str
    purpose: str
    expires_after: FileExpiry | None = None


class Completion(Shape):
    """The body of `POST /v1/uploads/{id}/complete`: the parts in their order, and the hex MD5 of the whole."""

    part_ids: Annotated[list[str], Field(min_length=1)]
    md5: str | None = None


class Upload(Shape):
    """An upload: `pending`, then `completed` with its file, `cancelled` or `expired`; times in seconds since 1970."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int = 0
    created_at: int = 0
    expires_at: int = 0
    filename: str = ""
    purpose: str = ""
    status: str = "pending"
    file: FileObject | None = None


class UploadPart(Shape):
    """One part that was received."""

    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int = 0
    upload_id: str = ""
