"""S3 objects, read as streams of lines and written whole: drops, segments, export files, evaluation parts."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import zstandard
from botocore.exceptions import ClientError

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.core.limits import LINE_BYTES, LINK_VALID, OBJECT_BYTES, UPLOAD_VALID
from tuneloop.validation.decompress import chunks, decompress, split_lines

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# A download is held in memory up to this size, and on disk beyond: an export's file may exceed a function's memory.
IN_MEMORY_BYTES = 16 << 20
# S3's error codes for a missing object; a HEAD has no body, so its error is only a status.
GONE = {"NoSuchKey", "NoSuchVersion", "404"}
DENIED = {"AccessDenied", "403"}  # S3's codes for a missing object too, where the role may not list the bucket
# S3 takes at least 5 MiB a part and at most 10,000 parts (read 2026-11). Parts of 16 MiB reach 156 GiB, and an upload
# holds one of them in memory.
PART_BYTES = 16 << 20


class ListedObject(NamedTuple):
    """One version of an object, as a listing shows it; `size` in bytes."""

    key: str
    version: str
    etag: str
    size: int
    modified_at: datetime


class ObjectVersion(NamedTuple):
    """A version of an object, or a delete marker; the one that `is_latest` is what a reader of the key gets."""

    key: str
    version: str
    is_latest: bool
    modified_at: datetime


class Form(NamedTuple):
    """A presigned POST: where to send a file as `multipart/form-data`, and the fields that go before it."""

    url: str
    fields: dict[str, str]


class MultipartUpload:
    """One object that is being written; nothing of the object can be read before `end`."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._place: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._id: str | None = None
        self._parts: list[Any] = []
        self._held: list[bytes] = []
        self._size = 0

    def write(self, content: bytes) -> None:
        """Append content; a full part is sent at once."""
        self._held.append(content)
        self._size += len(content)
        if self._size >= PART_BYTES:
            self._send()

    def end(self) -> None:
        """Complete the object; an object of less than one part is put in one call."""
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


class Objects:
    """The data bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def lines(self, key: str) -> Iterator[bytes]:
        """The lines of an object of ours, without their ends; an object whose key ends in `.zst` is decompressed."""
        yield from split_lines(self.pieces(key))

    def pieces(self, key: str) -> Iterator[bytes]:
        """The content of an object of ours in pieces of at most a MiB; a key that ends in `.zst` is decompressed."""
        with closing(self._get(key)["Body"]) as body:
            is_compressed = key.endswith(".zst")
            yield from chunks(
                zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) if is_compressed else body
            )

    def exists(self, key: str) -> bool:
        """Whether there is an object of this key that this function may read."""
        try:
            with _not_found_as_ours(key):
                self._client.head_object(Bucket=self.bucket, Key=key)
        except NotFound:
            return False
        return True

    def part(self, key: str, start: int, size: int) -> bytes:
        """At most `size` bytes of an object from the byte `start` on; fewer where it ends."""
        with _not_found_as_ours(key):
            response = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + size - 1}")
            return response["Body"].read()

    def dropped_lines(self, key: str, version: str | None = None) -> Iterator[bytes | None]:
        """The lines of a drop, or of one version of the file; None for a line of more than `LINE_BYTES`.

        Raises TooLarge or InvalidInput, with what would be right, at the place from which the file can't be read.
        """
        response = self._get(key, version)
        with closing(response["Body"]) as body:
            yield from split_lines(decompress(body, key, response["ContentLength"]), LINE_BYTES)

    def versions(self, prefix: str) -> Iterator[ListedObject]:
        """Every version of every object below a prefix, by key, except those of objects that were deleted."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        # An object's newest version or marker is listed first, so its older versions, maybe pages later, are known.
        deleted: set[str] = set()
        for page in pages:
            deleted |= {mark["Key"] for mark in page.get("DeleteMarkers", []) if mark["IsLatest"]}
            for version in page.get("Versions", []):
                if version["Key"] not in deleted:
                    key, etag = version["Key"], version["ETag"].strip('"')
                    yield ListedObject(key, version["VersionId"], etag, version["Size"], version["LastModified"])

    def all_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version and every delete marker below a prefix, those of deleted objects included."""
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                yield ObjectVersion(entry["Key"], entry["VersionId"], entry["IsLatest"], entry["LastModified"])

    def remove(self, versions: Iterable[ObjectVersion]) -> int:
        """Delete these versions for good; returns how many.

        They are deleted one by one: `DeleteObjects` would ask for the right to delete objects too, not only versions.
        """
        removed = 0
        for version in versions:
            self._client.delete_object(Bucket=self.bucket, Key=version.key, VersionId=version.version)
            removed += 1
        return removed

    def put(self, key: str, content: bytes | IO[bytes]) -> None:
        """Write an object whole."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def upload(self, key: str) -> MultipartUpload:
        """Begin to write an object that may be too big to be held in memory."""
        return MultipartUpload(self._client, self.bucket, key)

    def put_segment(self, folder: str, sha256: str, content: IO[bytes]) -> str:
        """Write compressed lines under the hash of the uncompressed ones; returns the key."""
        key = f"{folder}{sha256}.jsonl.zst"
        self.put(key, content)
        return key

    def download(self, key: str) -> IO[bytes]:
        """An object's content as a file, in memory up to `IN_MEMORY_BYTES`; the caller closes the file."""
        with ExitStack() as on_error, _not_found_as_ours(key):
            file = on_error.enter_context(SpooledTemporaryFile(IN_MEMORY_BYTES))
            self._client.download_fileobj(self.bucket, key, file)
            file.seek(0)
            on_error.pop_all()  # the download is complete: from here on the caller closes the file
        return file

    def link(self, key: str, name: str | None = None) -> str:
        """A download link that works for 15 minutes; a browser saves the file as `name`."""
        parameters = {"Bucket": self.bucket, "Key": key}
        if name:
            parameters["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        seconds = int(LINK_VALID.total_seconds())
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def upload_form(self, key: str) -> Form:
        """A form that lets its holder put one file of at most a GiB at `key`, and nothing else, for 15 minutes."""
        sizes = ["content-length-range", 1, OBJECT_BYTES]
        seconds = int(UPLOAD_VALID.total_seconds())
        form = self._client.generate_presigned_post(self.bucket, key, Conditions=[sizes], ExpiresIn=seconds)
        return Form(form["url"], form["fields"])

    def _get(self, key: str, version: str | None = None) -> Any:
        version_id = {"VersionId": version} if version else {}
        with _not_found_as_ours(key):
            return self._client.get_object(Bucket=self.bucket, Key=key, **version_id)  # type: ignore[arg-type]


@contextmanager
def _not_found_as_ours(key: str) -> Iterator[None]:
    """Raise NotFound, with the object's key, in place of S3's errors for a missing object."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in GONE:
            raise NotFound(f"There is no object {key}.", param="key") from error
        if code in DENIED:
            raise NotFound(f"The object {key} is gone, or may not be read from here.", param="key") from error
        raise
