"""Uploading: an object written while it grows, in parts from memory, so that no disk holds what is on its way.

The object is there when its upload has ended, whole or not at all; parts of one that never ends are swept away by the
bucket's own rule after a day.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# S3 takes at least 5 MiB a part and at most 10,000 parts (read 2026-11): this reaches 156 GiB, and is what is held.
PART_BYTES = 16 << 20


class MultipartUpload:
    """One object that is being written; nothing of it can be read before `end`."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._place: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._id: str | None = None
        self._parts: list[Any] = []
        self._held: list[bytes] = []
        self._size = 0

    def write(self, content: bytes) -> None:
        """Add content behind what was written before."""
        self._held.append(content)
        self._size += len(content)
        if self._size >= PART_BYTES:
            self._send()

    def end(self) -> None:
        """Complete the object; one that is small enough is put in one call."""
        if self._id is None:
            self._client.put_object(**self._place, Body=b"".join(self._held))
            return
        if self._held:
            self._send()
        self._client.complete_multipart_upload(**self._place, UploadId=self._id, MultipartUpload={"Parts": self._parts})

    def _send(self) -> None:
        if self._id is None:
            self._id = self._client.create_multipart_upload(**self._place)["UploadId"]
        number, content = len(self._parts) + 1, b"".join(self._held)
        self._held, self._size = [], 0
        part = self._client.upload_part(**self._place, UploadId=self._id, PartNumber=number, Body=content)
        self._parts.append({"PartNumber": number, "ETag": part["ETag"]})
