"""Content: a file's examples given back as lines, where an answer has room for them."""

from tuneloop.domain.chat.examples import canonical
from tuneloop.domain.core.errors import TooLarge
from tuneloop.domain.core.limits import ANSWERED_BYTES
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.conversions import pair_of
from tuneloop.store.objects.stored_lines import Stored
from tuneloop.store.repositories.contents import Contents

ELSEWHERE = (
    "The file is larger than an answer may be. Its export has a download link: `GET /v1/datasets/{0}/exports`, then "
    "`GET /v1/datasets/{0}/exports/{{export}}`; `POST` to the first makes one."
)


def content_of(dataset: Dataset, *, contents: Contents) -> str:
    """The examples of a dataset as JSONL; TooLarge, naming the export's link, where they are too much."""
    lines: list[bytes] = []
    room = ANSWERED_BYTES
    with contents.examples(dataset.tenant, dataset.id, dataset.revision) as examples:
        for current in examples:
            line = _line(current.stored)
            room -= len(line) + line.count(b'"') + line.count(b"\\") + 2  # JSON writes these with two bytes
            if room < 0:
                raise TooLarge(ELSEWHERE.format(dataset.id), param="file")
            lines.append(line)
    return b"".join(line + b"\n" for line in lines).decode()


def _line(stored: Stored) -> bytes:
    """An example in OpenAI's format."""
    return canonical(pair_of(stored.example.content)).encode() if stored.preference else bytes(stored.content)
