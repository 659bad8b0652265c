"""Segments: examples as stored lines, written sorted and read back in blocks, refused where they were changed.

A segment is named by the hash of its lines. Whoever reads a segment to its end knows that nothing was lost or changed;
a segment that was cut, damaged or replaced raises Corrupt with its name, and is never read as a smaller one.

A stored line is an example with the tokens, hashes and bands that were computed when it was collected. The id comes
first, so that sorting lines sorts examples; the content comes last, and is not parsed where its bytes will do.
`created_at` is UTC in one fixed format, so that it sorts as text.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import NamedTuple

import msgspec
import zstandard

from tuneloop.domain.chat.examples import OTHER_ANSWER, Example
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits, units_of
from tuneloop.domain.chat.messages import canonical
from tuneloop.domain.core.errors import Corrupt, NotFound
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Segment
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.reviews import Decision
from tuneloop.domain.exports.conversions import openai_pair
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.policy_filter import Candidate
from tuneloop.store.objects.bucket import Objects
from tuneloop.validation.decompress import split_blocks
from tuneloop.validation.minhash import minhash_signature
from tuneloop.validation.tokens import count_content

ID = slice(7, 71)  # of a line: {"id":"<64 hex digits>"
CONTENT = b',"content":'  # stands nowhere before the content: in a text its quotes would be escaped
IMAGE = b'"image_url"'  # stands in no text, where its quotes would be escaped
# Level 3 takes 0.5 s of processor time for 100,000 examples, where gzip takes 4.3 (measured in 2026-11): segments are
# written while their senders wait.
ZSTD_LEVEL = 3
Lines = list[bytes]


class Head(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A stored line without its content: the example's fields, and its tokens, hashes and bands (the latter in hex)."""

    id: str
    tokens: int
    unit: str
    frame: str
    answer: str
    normal: str
    characters: int
    near: str = ""
    preference: bool = False
    split: str | None = None
    subject: str | None = None
    group: str | None = None
    category: str | None = None
    source: str | None = None
    quality: float | None = None
    created_at: str | None = None


class Stored(Head, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A stored line: one example of a segment, `content` as canonical JSON."""

    content: msgspec.Raw

    @property
    def example(self) -> Example:
        """The example, as it was collected."""
        fields = {name: getattr(self, name) for name in Example.model_fields if name not in ("id", "content")}
        return Example.model_validate({"id": self.id, "content": msgspec.json.decode(self.content), **fields})


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stored).decode
_decode_heads = msgspec.json.Decoder(Head).decode_lines


class EncodedLine(NamedTuple):
    """An example's stored line without its line break, and its tokens.

    `former_id` is the example's id of before 2026-12, where that was another one; `is_pair` says that it is a
    preference pair.
    """

    text: bytes
    tokens: int
    former_id: str | None = None
    is_pair: bool = False


def line_of(example: Example) -> EncodedLine:
    """An example as a stored line, with its tokens, hashes and bands computed."""
    hashes, tokens = example_hashes(example), count_content(example.content)
    stored = Stored(
        id=example.id,
        tokens=tokens,
        unit=hashes.prompt_hash,
        frame=hashes.context_hash,
        answer=hashes.answer_hash,
        normal=hashes.conversation_hash,
        characters=hashes.characters,
        near=minhash_signature(hashes.prompt_text),
        preference=OTHER_ANSWER in example.content,
        split=example.split,
        subject=example.subject,
        group=example.group,
        category=example.category,
        source=example.source,
        quality=example.quality,
        created_at=utc_text(example.created_at),
        content=msgspec.Raw(canonical(example.content).encode()),
    )
    return EncodedLine(_encode(stored), tokens, example.former_id, stored.preference)


def read_line(line: bytes) -> Stored:
    """A stored line, parsed."""
    return _decode(line)


def heads_of(lines: Iterable[bytes]) -> list[Head]:
    """The heads of lines; their content isn't parsed."""
    return _decode_heads(b"\n".join([line[: line.index(CONTENT)] + b"}" for line in lines]))


def candidate_of(head: Head, decision: Decision) -> Candidate:
    """A stored example as the policy's filters see it: reviewed values in place of those that it was sent with."""
    quality, category = decision.quality_or(head.quality), decision.category_or(head.category)
    return Candidate(decision.status, head.split, category, head.source, quality, head.created_at)


def tokens_in(lines: Iterable[bytes]) -> int:
    """The tokens that lines have together."""
    return sum(head.tokens for head in heads_of(lines))


def unerased_lines(lines: list[bytes], erased: ErasureMarks) -> list[bytes]:
    """The lines whose examples and subjects are not erased."""
    heads = heads_of(lines)
    return [line for line, head in zip(lines, heads, strict=True) if not erased.covers(head.id, head.subject)]


def without_erased(lines: Iterable[EncodedLine], erased: ErasureMarks) -> Iterator[EncodedLine]:
    """The lines whose examples are not erased, neither by their id nor by the one that they had before 2026-12."""
    for line in lines:
        if erased and (
            not unerased_lines([line.text], erased) or (line.former_id and erased.covers(line.former_id, None))
        ):
            continue
        yield line


def content_of(line: bytes) -> bytes:
    """The content of a line as it is stored: canonical JSON."""
    return line[line.index(CONTENT) + len(CONTENT) : -1]


def pair_line(content: bytes) -> bytes:
    """A preference pair's stored content as a line of OpenAI's format."""
    return canonical(openai_pair(msgspec.json.decode(content))).encode()


def utc_text(moment: datetime | None) -> str | None:
    """A moment as stored lines hold it: UTC to the microsecond, so that texts sort as times; naive ones are UTC."""
    if moment is None:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def images_in(contents: Iterable[bytes]) -> ImageUnits:
    """How many images some examples hold, and their units; each example is the JSON of its content."""
    return sum((_images_of(content) for content in contents if IMAGE in content), NO_IMAGES)


def _images_of(content: bytes) -> ImageUnits:
    """The images of one example, a conversation or a preference pair."""
    example = json.loads(content)  # unlike orjson it reads half a surrogate pair, which an answer may hold
    return units_of(example.get("messages") or example.get("input", {}).get("messages", ()))


def folder_of(tenant: str, dataset: str) -> str:
    """The folder of a dataset's segments in the bucket."""
    return f"datasets/{tenant}/{dataset}/segments/"


class SegmentBuilder:
    """A segment that is being built: takes sorted lines, and holds only their compressed form in memory."""

    def __init__(self) -> None:
        self.examples = self._bytes = self._tokens = self._pairs = 0
        self._images = NO_IMAGES
        self._sha256 = hashlib.sha256()
        self._file = BytesIO()
        self._compressor = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj()

    def has_room(self, size: int) -> bool:
        """Whether lines of `size` bytes more fit in; an empty segment takes lines of any size."""
        return not self.examples or self._bytes + size < SEGMENT_BYTES

    def add(self, lines: Lines, tokens: int, pairs: int = 0) -> None:
        """Append sorted lines, which hold `tokens` and, where that is known, `pairs` of preferences together."""
        for line in lines:
            ended = line + b"\n"
            self._bytes += len(ended)
            self._sha256.update(ended)
            self._file.write(self._compressor.compress(ended))
        self.examples += len(lines)
        self._tokens += tokens
        self._pairs += pairs
        self._images += images_in(content_of(line) for line in lines if IMAGE in line)

    def write(self, folder: str, objects: Objects, *, revision: int, without: int, now: datetime) -> Segment:
        """Write the segment to its folder, once; `without` is the number of the latest erasure that it is without."""
        self._file.write(self._compressor.flush())
        self._file.seek(0)
        sha256 = self._sha256.hexdigest()
        return Segment(
            sha256=sha256,
            key=objects.put_segment(folder, sha256, self._file),
            examples=self.examples,
            pairs=self._pairs,
            tokens=self._tokens,
            bytes=self._bytes,
            revision=revision,
            without=without,
            images=self._images,
            created_at=now,
        )


def write_collected(
    lines: Collection[EncodedLine], erased: ErasureMarks, folder: str, objects: Objects, now: datetime
) -> Segment:
    """Write collected examples, in any order, as a segment of no revision yet; `erased` says what they are without."""
    builder = SegmentBuilder()
    texts = sorted(line.text for line in lines)
    builder.add(texts, sum(line.tokens for line in lines), sum(line.is_pair for line in lines))
    return builder.write(folder, objects, revision=0, without=erased.latest, now=now)


def blocks_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The lines of a segment, sorted, in blocks of about a MiB; Corrupt where they differ from what was written."""
    sha256 = hashlib.sha256()
    count, last = 0, b""
    for block in split_blocks(_hash_pieces(read_pieces(segment, objects), sha256)):
        if block[0] < last or sorted(block) != block:
            raise _corrupt(segment, "its lines are not sorted")
        count, last = count + len(block), block[-1]
        yield block
    if (sha256.hexdigest(), count) != (segment.sha256, segment.examples):
        raise _corrupt(segment, f"it has {count:,} lines, and not the {segment.examples:,} that were written")


def lines_of(segment: Segment, objects: Objects) -> Iterator[Lines]:
    """The lines of a segment in blocks of about a MiB, not checked against its hash: for listings and searches."""
    return split_blocks(read_pieces(segment, objects))


def read_pieces(segment: Segment, objects: Objects) -> Iterator[bytes]:
    """The decompressed bytes of a segment in pieces, which lines may span; Corrupt where the segment is cut or gone."""
    last = b"\n"
    try:
        for last in objects.pieces(segment.key):
            yield last
    except zstandard.ZstdError as error:
        raise _corrupt(segment, "it can't be unpacked to its end") from error
    except NotFound as error:
        raise _corrupt(segment, "it is not there, or may not be read") from error
    if not last.endswith(b"\n"):
        raise _corrupt(segment, "its last line is cut off")


def _hash_pieces(pieces: Iterator[bytes], sha256: "hashlib._Hash") -> Iterator[bytes]:
    """The pieces as they are, each taken into the hash when it is read."""
    for piece in pieces:
        sha256.update(piece)
        yield piece


def _corrupt(segment: Segment, why: str) -> Corrupt:
    message = (
        f"The segment {segment.key} is damaged: {why}. Nothing was made of its dataset. "
        "Restore the object's earlier version, then ask again."
    )
    return Corrupt(message, code="corrupt_segment")
