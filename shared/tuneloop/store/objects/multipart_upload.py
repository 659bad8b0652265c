"""Uploading: an object written while it grows, in parts from memory, so that no disk holds what is on its way.

The object is there when its upload has ended, whole or not at all; parts of one that never ends are swept away by the
bucket's own rule after a day.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PART_BYTES = 16 << 20  # S3 takes at least 5 MiB and at most 10,000 parts (read 2026-11): up to 156 GiB


class MultipartUpload:
    """One object on its way."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._place: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._id: str | None = None
        self._parts: list[Any] = []
        self._held: list[bytes] = []
        self._size = 0

    def write(self, content: bytes) -> None:
        """Add content."""
        self._held.append(content)
        self._size += len(content)
        if self._size >= PART_BYTES:
            self._send()

    def end(self) -> None:
        """Make it an object."""
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
        sent = self._client.upload_part(**self._place, UploadId=self._id, PartNumber=number, Body=content)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
