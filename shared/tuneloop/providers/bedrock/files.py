"""Training files for Bedrock: lines in Bedrock's formats, in the data bucket where the job's role may read them.

A file's key is made of tenant, run and split, so the file is found again without a list of files. Lines are converted
as they are read, into a file that lies on disk once it is large; one line that can't be converted refuses the whole
file before anything is spent on it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.exports.conversions import LEFT_OUT_REASONS, Conversion, Format
from tuneloop.domain.training.jobs import TrainingFile
from tuneloop.observability import count, logger
from tuneloop.providers.bedrock.client import FIRST_FAILED, UNAVAILABLE, code_in

# A converted file beyond this lies on disk, so that a function of little memory converts files of any size.
IN_MEMORY_BYTES = 16 << 20
# S3 answers 403 for an object that doesn't exist to a role that may not list the bucket.
MISSING_CODES = frozenset({"NoSuchKey", "404", "403", "AccessDenied"})
OTHER_REGION_CODES = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"})
OTHER_REGION = "The data bucket lies in another region than Bedrock is asked in: its jobs read from their own only."


class Files:
    """The training files of a stage, in its data bucket."""

    def __init__(self, bucket: str | None, connect: Callable[[], Any]) -> None:
        self._named = bucket
        self._connect = connect

    @cached_property
    def _s3(self) -> Any:
        return self._connect()

    @property
    def _bucket(self) -> str:
        if self._named is None:
            raise RuntimeError(
                "TUNELOOP_BUCKET is not set: this function's row of the table asks for no training files"
            )
        return self._named

    def find(self, file: TrainingFile) -> str | None:
        """A file's URI, if it was put there before."""
        try:
            self._s3.head_object(Bucket=self._bucket, Key=_key(file))
        except ClientError as error:
            if code_in(error) in MISSING_CODES:
                return None
            raise _translate(error) from error
        return self.uri(_key(file))

    def put(self, file: TrainingFile, form: Format, content: IO[bytes]) -> str:
        """Convert a file's lines and put them where the job reads them; gives their URI."""
        with SpooledTemporaryFile(IN_MEMORY_BYTES) as converted:
            lost = convert(content, form, converted)
            converted.seek(0)
            with _translate_s3_errors():
                self._s3.upload_fileobj(converted, self._bucket, _key(file))
        if lost:
            logger.info("converted", extra={"run": file.run, "split": file.split, "format": form, "lost": dict(lost)})
            count("FieldsLost", lost.total())
        return self.uri(_key(file))

    def delete(self, files: Collection[TrainingFile]) -> int:
        """Delete every version of these files; tells how many files there were."""
        return sum(self._delete(_key(file)) for file in files)

    def _delete(self, key: str) -> bool:
        found = False
        with _translate_s3_errors():
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
                for version in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                    self._s3.delete_object(Bucket=self._bucket, Key=version["Key"], VersionId=version["VersionId"])
                    found = True
        return found

    def text(self, uri: str) -> str:
        """A small file of figures as text, empty where the job hasn't written it yet."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if code_in(error) in MISSING_CODES:
                return ""
            raise _translate(error) from error
        return body.decode("utf-8", errors="replace")

    def uri(self, key: str) -> str:
        """A place in the data bucket as Bedrock names it."""
        return f"s3://{self._bucket}/{key}"


def convert(content: IO[bytes], form: Format, into: IO[bytes]) -> Counter[str]:
    """Write OpenAI's lines in another format; returns the counts of lost fields. ProviderRefused where one can't be."""
    conversion = Conversion(form)
    lines = 0
    for line in content:
        if not line.strip():
            continue
        lines += 1
        if converted := conversion.convert(orjson.loads(line)):
            into.write(orjson.dumps(converted) + b"\n")
    if left := conversion.left_out:
        reasons = " ".join(f"{number:,} {why}: {LEFT_OUT_REASONS[why]}" for why, number in sorted(left.items()))
        message = f"{left.total():,} of {lines:,} examples can't be had in Bedrock's format {form}. {reasons}"
        raise ProviderRefused(f"{message} Leave them out of the dataset, or train elsewhere.", code="not_convertible")
    return conversion.lost


def _key(file: TrainingFile) -> str:
    return f"training/{file.tenant}/{file.run}/{file.split}.jsonl"


@contextmanager
def _translate_s3_errors() -> Iterator[None]:
    """Translate S3's errors into a provider's, as the bucket is a part of training on Bedrock."""
    try:
        yield
    except ClientError as error:
        raise _translate(error) from error
    except BotoCoreError as error:
        count(UNAVAILABLE)
        raise ProviderUnavailable(f"S3 can't answer now ({type(error).__name__}). Try again later.") from error


def _translate(error: ClientError) -> ProviderRefused | ProviderUnavailable:
    code = code_in(error)
    if code in OTHER_REGION_CODES:
        return ProviderRefused(OTHER_REGION, param="region", code="not_supported")
    count(UNAVAILABLE)
    busy = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= FIRST_FAILED
    what = "can't answer now" if busy else "lets us not do this"
    return ProviderUnavailable(f"S3 {what} ({code}). Try again later, or check what the stage's roles may do.")
