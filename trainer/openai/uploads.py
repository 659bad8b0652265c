"""`/v1/uploads`: the upload of a large file in parts."""

import secrets
from typing import Annotated

from fastapi import APIRouter, File, UploadFile

from trainer.context import Context, Trainer
from trainer.ids import id_for, now_s
from trainer.openai.errors import RefusalError, not_found
from trainer.openai.files import check_name
from trainer.storage.uploads import ConcatenatedFiles, md5_of
from tuneloop.openai_wire.files import FileObject
from tuneloop.openai_wire.uploads import EXPIRES_S, PART_LIMIT_BYTES, Completion, Upload, UploadPart, UploadRequest

router = APIRouter(prefix="/v1/uploads")


@router.post("")
def create(trainer: Trainer, request: UploadRequest) -> Upload:
    """Start an upload, which must be completed within an hour."""
    check_name(request.filename, request.purpose)
    now = now_s()
    upload = Upload(
        id=f"upload_{secrets.token_hex(12)}",
        bytes=request.bytes,
        created_at=now,
        expires_at=now + EXPIRES_S,
        filename=request.filename,
        purpose=request.purpose,
    )
    lifetime_s = request.expires_after.seconds if request.expires_after else None
    trainer.home.uploads.add(upload, file_expires_after_s=lifetime_s)
    return upload


@router.post("/{upload_id}/parts")
def add_part(trainer: Trainer, upload_id: str, data: Annotated[UploadFile, File()]) -> UploadPart:
    """Add a part of at most 64 MB; parts may be sent in any order, and in parallel."""
    upload = _pending(trainer, upload_id)
    size = data.size or 0
    if size > PART_LIMIT_BYTES:
        raise RefusalError(413, "part_too_large", f"A part may have at most {PART_LIMIT_BYTES} bytes.", "data")
    if size == 0:
        raise RefusalError(400, "empty_part", "The part is empty.", "data")
    if trainer.home.uploads.parts_size(upload_id) + size > upload.bytes:
        raise RefusalError(400, "too_many_bytes", f"The upload was to have {upload.bytes} bytes.", "data")
    part = UploadPart(id=f"part_{secrets.token_hex(12)}", created_at=now_s(), upload_id=upload_id)
    trainer.home.uploads.add_part(upload_id, part.id, data.file)
    return part


@router.post("/{upload_id}/complete")
def complete(trainer: Trainer, upload_id: str, completion: Completion) -> Upload:
    """Join the parts into a file; a second call returns the same file."""
    upload = _find(trainer, upload_id)
    if upload.status == "completed":
        return upload
    _pending(trainer, upload_id)
    paths = trainer.home.uploads.parts(upload_id, completion.part_ids)
    if paths is None:
        raise RefusalError(400, "invalid_parts", "A part is unknown, or named twice.", "part_ids")
    size = sum(path.stat().st_size for path in paths)
    if size != upload.bytes:
        message = f"The parts have {size} bytes; the upload was to have {upload.bytes}."
        raise RefusalError(400, "wrong_size", message, "part_ids")
    if completion.md5 and md5_of(paths) != completion.md5.lower():
        raise RefusalError(400, "wrong_checksum", "The parts have another MD5 than was given.", "md5")
    now, lifetime_s = now_s(), trainer.home.uploads.file_expires_after_s(upload_id)
    file = FileObject(
        id=id_for("file", upload_id),
        created_at=now,
        expires_at=now + lifetime_s if lifetime_s else None,
        filename=upload.filename,
        purpose=upload.purpose,
    )
    stored_file = trainer.home.files.add(file, ConcatenatedFiles(paths))
    completed = upload.model_copy(update={"status": "completed", "file": stored_file})
    trainer.home.uploads.end(completed)
    return completed


@router.post("/{upload_id}/cancel")
def cancel(trainer: Trainer, upload_id: str) -> Upload:
    """Cancel an upload."""
    cancelled = _pending(trainer, upload_id).model_copy(update={"status": "cancelled"})
    trainer.home.uploads.end(cancelled)
    return cancelled


def _find(trainer: Context, upload_id: str) -> Upload:
    upload = trainer.home.uploads.get(upload_id, now=now_s())
    if not upload:
        raise not_found("upload", upload_id)
    return upload


def _pending(trainer: Context, upload_id: str) -> Upload:
    upload = _find(trainer, upload_id)
    if upload.status != "pending":
        raise RefusalError(400, "upload_has_ended", f"Upload {upload_id} is {upload.status}.", "id")
    return upload
