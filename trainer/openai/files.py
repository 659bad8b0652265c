"""`/v1/files`: upload, list, retrieve, download and delete."""

from pathlib import PurePath
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, UploadFile
from starlette.responses import FileResponse

from trainer.context import After, Trainer, page_of
from trainer.ids import new_id, now_s
from trainer.openai.errors import RefusalError, not_found
from tuneloop.openai_wire.files import EXPIRES_AFTER_S, FILE_LIMIT_BYTES, TRAINING_PURPOSE, FileList, FileObject
from tuneloop.openai_wire.pages import Deleted, Page

router = APIRouter(prefix="/v1/files")


@router.post("")
def upload(
    trainer: Trainer,
    file: Annotated[UploadFile, File()],
    purpose: Annotated[str, Form()],
    anchor: Annotated[Literal["created_at"] | None, Form(alias="expires_after[anchor]")] = None,
    expires_after_s: Annotated[int | None, Form(alias="expires_after[seconds]")] = None,
) -> FileObject:
    """Store a file for training."""
    name = PurePath(file.filename or "").name
    check_name(name, purpose)
    _check_size(file.size or 0)
    if expires_after_s is not None and (anchor is None or expires_after_s not in EXPIRES_AFTER_S):
        message = "expires_after needs the anchor 'created_at' and 3600 to 2592000 seconds."
        raise RefusalError(400, "invalid_value", message, "expires_after")
    now = now_s()
    expires_at = now + expires_after_s if expires_after_s else None
    upload = FileObject(id=new_id("file"), created_at=now, expires_at=expires_at, filename=name, purpose=purpose)
    return trainer.home.files.add(upload, file.file)


def check_name(name: str, purpose: str) -> None:
    """Refuse a file that isn't for training, or whose name isn't that of JSONL."""
    if purpose != TRAINING_PURPOSE:
        raise RefusalError(
            400, "invalid_purpose", f"This server takes files with purpose '{TRAINING_PURPOSE}' only.", "purpose"
        )
    if not name.endswith(".jsonl"):
        raise RefusalError(400, "invalid_file_format", "Invalid file format. Must be .jsonl", "file")


def _check_size(size: int) -> None:
    if size == 0:
        raise RefusalError(400, "empty_file", "File is empty.", "file")
    if size > FILE_LIMIT_BYTES:
        raise RefusalError(413, "file_too_large", f"A file may have at most {FILE_LIMIT_BYTES} bytes.", "file")


@router.get("")
def list_files(
    trainer: Trainer,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
) -> FileList:
    """List files, newest first unless `order` is `asc`."""
    files = trainer.home.files.newest_first(now=now_s(), purpose=purpose)
    ordered = files[::-1] if order == "asc" else files
    if after is not None:
        start = next((number for number, file in enumerate(ordered, start=1) if file.id == after), len(ordered))
        ordered = ordered[start:]
    page: Page[FileObject] = page_of(ordered, limit)
    return FileList(data=page.data, has_more=page.has_more)


@router.get("/{file_id}")
def retrieve(trainer: Trainer, file_id: str) -> FileObject:
    """Return one file's object."""
    file = trainer.home.files.get(file_id, now=now_s())
    if not file:
        raise not_found("file", file_id)
    return file


@router.get("/{file_id}/content")
def content(trainer: Trainer, file_id: str) -> FileResponse:
    """Download a file's content."""
    file = retrieve(trainer, file_id)
    media_type = "text/csv" if file.filename.endswith(".csv") else "application/jsonl"
    return FileResponse(trainer.home.files.path(file_id), media_type=media_type, filename=file.filename)


@router.delete("/{file_id}")
def delete(trainer: Trainer, file_id: str) -> Deleted:
    """Delete a file; a job that hasn't read it yet will fail."""
    if not trainer.home.files.remove(file_id):
        raise not_found("file", file_id)
    return Deleted(id=file_id, object="file")
