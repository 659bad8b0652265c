"""S3 objects, read as streams of lines and written whole: drops, segments, export files, evaluation parts."""

import hashlib
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

import zstandard
from botocore.exceptions import ClientError

from tuneloop.domain.errors import NotFound

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

CHUNK_BYTES = 1 << 20
SEGMENT_BYTES = 64 << 20
LINK_SECONDS = 900
IN_MEMORY_BYTES = 16 << 20


class Written(NamedTuple):
    """An object that was written: size and SHA-256 of its uncompressed content."""

    bytes: int
    sha256: str


class Objects:
    """The data bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def lines(self, key: str, version: str | None = None) -> Iterator[bytes]:
        """The lines of an object, or of one version of it, without their ends; a name in `.zst` is unpacked."""
        try:
            which = {"VersionId": version} if version else {}
            body = self._client.get_object(Bucket=self.bucket, Key=key, **which)["Body"]  # type: ignore[arg-type]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFound(f"There is no object {key}.", param="key") from error
            raise
        raw: IO[bytes] = body  # type: ignore[assignment]
        if key.endswith(".zst"):
            raw = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        yield from split_lines(raw)

    def put(self, key: str, content: bytes | IO[bytes]) -> None:
        """Write an object whole."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_segment(self, prefix: str, lines: Iterable[bytes]) -> tuple[str, Written]:
        """Write lines as `{prefix}{sha256}.jsonl.zst`, named by the hash of the uncompressed lines; gives the key."""
        content = b"".join(line + b"\n" for line in lines)
        sha256 = hashlib.sha256(content).hexdigest()
        key = f"{prefix}{sha256}.jsonl.zst"
        self.put(key, zstandard.ZstdCompressor(level=3).compress(content))
        return key, Written(len(content), sha256)

    def download(self, key: str) -> IO[bytes]:
        """An object's content as a file, in memory while it is small."""
        file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        self._client.download_fileobj(self.bucket, key, file)
        file.seek(0)
        return file

    def link(self, key: str) -> str:
        """A download link that works for 15 minutes."""
        parameters = {"Bucket": self.bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=LINK_SECONDS)


def split_lines(raw: IO[bytes]) -> Iterator[bytes]:
    """Lines of a stream without `\\n`; the last one counts even without an end."""
    rest = b""
    while chunk := raw.read(CHUNK_BYTES):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        yield from parts
    if rest:
        yield rest
