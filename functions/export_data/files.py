"""The files of an export while they are written: sent on as they grow, hashed and counted on the way."""

import hashlib

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.exports.exports import ExportFile
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.image_lines import images_in


class SplitFiles:
    """One JSONL file per split, in the provider's format: content only, nothing of ours."""

    def __init__(self, prefix: str, objects: Objects) -> None:
        self._files = {split: SplitFile(f"{prefix}/{split}.jsonl", objects) for split in Split}

    def write(self, split: Split, contents: list[bytes], tokens: int) -> None:
        """Add examples to the file of their split, and what they count together."""
        if contents:
            self._files[split].write(contents, tokens)

    def end(self) -> dict[Split, ExportFile]:
        """Store the files; gives what each holds."""
        return {split: file.end() for split, file in self._files.items()}


class SplitFile:
    """One file with its running counts."""

    def __init__(self, key: str, objects: Objects) -> None:
        self._key = key
        self._upload = objects.upload(key)
        self._hash = hashlib.sha256()
        self._examples = self._tokens = self._bytes = 0
        self._images = NO_IMAGES

    def write(self, contents: list[bytes], tokens: int) -> None:
        """Add a line for each content."""
        lines = b"\n".join([*contents, b""])
        self._upload.write(lines)
        self._hash.update(lines)
        self._examples += len(contents)
        self._bytes += len(lines)
        self._tokens += tokens
        self._images += images_in(contents)

    def end(self) -> ExportFile:
        """Store the file."""
        self._upload.end()
        return ExportFile(
            key=self._key,
            examples=self._examples,
            tokens=self._tokens,
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            images=self._images,
        )
