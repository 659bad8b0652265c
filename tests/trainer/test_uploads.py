"""Files in parts, over OpenAI's uploads."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from tests.trainer.trainer_process import BASE, ended, intents, jsonl
from trainer.storage.rows import RowStore
from trainer.storage.uploads import Uploads
from tuneloop.openai_wire.uploads import PART_LIMIT_BYTES, Upload

CONTENT = jsonl(intents(50))
HALF = len(CONTENT) // 2


def begin(client: OpenAI, size: int = len(CONTENT), **more: Any) -> str:
    request: dict[str, Any] = {"filename": "big.jsonl", "purpose": "fine-tune", "mime_type": "application/jsonl"}
    return client.uploads.create(bytes=size, **(request | more)).id


def test_parts_become_one_file_in_the_order_that_is_given(client: OpenAI) -> None:
    upload_id = begin(client, expires_after={"anchor": "created_at", "seconds": 7_200})
    second = client.uploads.parts.create(upload_id, data=CONTENT[HALF:]).id
    first = client.uploads.parts.create(upload_id, data=CONTENT[:HALF]).id

    upload = client.uploads.complete(upload_id, part_ids=[first, second], md5=hashlib.md5(CONTENT).hexdigest())

    assert upload.status == "completed"
    assert upload.file
    assert (upload.file.bytes, upload.file.filename) == (len(CONTENT), "big.jsonl")
    assert upload.file.expires_at == upload.file.created_at + 7_200
    assert client.files.content(upload.file.id).content == CONTENT
    assert client.uploads.complete(upload_id, part_ids=[first, second]).file == upload.file
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload.file.id)
    assert ended(client, job.id).status == "succeeded"


def test_the_sdk_sends_a_large_file_in_parts(client: OpenAI) -> None:
    upload = client.uploads.upload_file_chunked(
        file=CONTENT, filename="b.jsonl", bytes=len(CONTENT), mime_type="application/jsonl", purpose="fine-tune",
        part_size=1_000,
    )  # fmt: skip

    assert upload.file
    assert client.files.content(upload.file.id).content == CONTENT


def test_a_cancelled_upload_takes_no_parts(client: OpenAI) -> None:
    upload_id = begin(client)
    part_id = client.uploads.parts.create(upload_id, data=CONTENT).id

    cancelled = client.uploads.cancel(upload_id)

    assert cancelled.status == "cancelled"
    for call in (
        lambda: client.uploads.parts.create(upload_id, data=CONTENT),
        lambda: client.uploads.complete(upload_id, part_ids=[part_id]),
        lambda: client.uploads.cancel(upload_id),
    ):
        with pytest.raises(BadRequestError, match="is cancelled"):
            call()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"bytes": 8 * 1024**3 + 1}, "bytes"),
        ({"bytes": 0}, "bytes"),
        ({"filename": "big.csv"}, "file"),
        ({"purpose": "vision"}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "expires_after.seconds"),
    ],
)
def test_an_upload_that_cannot_be_used_is_refused(client: OpenAI, more: dict[str, Any], param: str) -> None:
    size = more.pop("bytes", len(CONTENT))

    with pytest.raises(BadRequestError) as refused:
        begin(client, size, **more)

    assert refused.value.param == param


def test_parts_must_add_up_to_what_was_announced(client: OpenAI) -> None:
    upload_id = begin(client)
    part_id = client.uploads.parts.create(upload_id, data=CONTENT[:HALF]).id
    rest_id = client.uploads.parts.create(upload_id, data=CONTENT[HALF:]).id

    def refusal(part_ids: list[str], **more: Any) -> str | None:
        with pytest.raises(BadRequestError) as refused:
            client.uploads.complete(upload_id, part_ids=part_ids, **more)
        return refused.value.code

    assert refusal([part_id]) == "wrong_size"
    assert refusal([part_id, part_id]) == "invalid_parts"
    assert refusal([part_id, "part_none"]) == "invalid_parts"
    assert refusal([part_id, rest_id], md5="0" * 32) == "wrong_checksum"
    with pytest.raises(BadRequestError, match="was to have"):
        client.uploads.parts.create(upload_id, data=b"more")


def test_a_part_has_64_megabytes_at_most(client: OpenAI) -> None:
    upload_id = begin(client, PART_LIMIT_BYTES * 2)

    with pytest.raises(APIStatusError) as refused:
        client.uploads.parts.create(upload_id, data=bytes(PART_LIMIT_BYTES + 1))

    assert refused.value.status_code == 413


def test_an_unknown_upload_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError):
        client.uploads.parts.create("upload_none", data=b"x")


def test_an_upload_expires_after_its_hour_and_leaves_nothing(tmp_path: Path) -> None:
    rows = RowStore(tmp_path / "rows.sqlite3")
    uploads = Uploads(rows, tmp_path / "uploads")
    uploads.add(Upload(id="upload_1", bytes=9, created_at=0, expires_at=3_600), file_expires_after_s=None)
    uploads.add_part("upload_1", "part_1", io.BytesIO(b"123456789"))

    uploads.sweep(now=3_599)
    assert uploads.parts_size("upload_1") == 9
    uploads.sweep(now=3_600)

    upload = uploads.get("upload_1", now=3_600)
    assert upload
    assert upload.status == "expired"
    assert uploads.parts("upload_1", ["part_1"]) is None
    rows.close()
