"""The files of an export while they are written: spooled to disk when large, hashed and counted on the way."""

import hashlib
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from tuneloop.domain.examples import Split
from tuneloop.domain.exports import ExportFile
from tuneloop.store.objects import IN_MEMORY_BYTES, Objects


class SplitFiles:
    """One JSONL file per split, in the provider's format: content only, nothing of ours."""

    def __init__(self, prefix: str) -> None:
        self._files = {split: SplitFile(f"{prefix}/{split}.jsonl") for split in Split}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.spool.close()

    def write(self, split: Split, content: bytes, tokens: int) -> None:
        """Add an example to the file of its split."""
        self._files[split].write(content, tokens)

    def upload(self, objects: Objects) -> dict[Split, ExportFile]:
        """Store the files; gives what each holds."""
        return {split: file.upload(objects) for split, file in self._files.items()}


class SplitFile:
    """One file with its running counts."""

    def __init__(self, key: str) -> None:
        self.spool = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - closed by SplitFiles
        self._key = key
        self._hash = hashlib.sha256()
        self._examples = self._tokens = self._bytes = 0

    def write(self, content: bytes, tokens: int) -> None:
        """Add one line."""
        line = content + b"\n"
        self.spool.write(line)
        self._hash.update(line)
        self._examples += 1
        self._bytes += len(line)
        self._tokens += tokens

    def upload(self, objects: Objects) -> ExportFile:
        """Store the file."""
        self.spool.seek(0)
        objects.put(self._key, self.spool)
        return ExportFile(
            key=self._key,
            examples=self._examples,
            tokens=self._tokens,
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
        )
