"""Stored lines: an example as a segment keeps it, with what was found out about it when it was collected.

The id comes first, so that sorting lines sorts examples; the content comes last and is never parsed where only its
bytes are wanted. `created_at` is UTC in one fixed format, so that it sorts as text.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tuneloop.domain.chat.examples import OTHER_ANSWER, Example, canonical
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.reviews import Decision
from tuneloop.domain.exports.conversions import pair_of
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.policy_filter import Candidate
from tuneloop.validation.minhash import minhash_signature
from tuneloop.validation.tokens import count_content

ID = slice(7, 71)  # of a line: {"id":"<64 hex digits>"
CONTENT = b',"content":'  # stands nowhere before the content: in a text its quotes would be escaped


class Head(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An example in a segment without its content: its fields and what was worked out, hashes and bands in hex."""

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
    """One example in a segment, `content` as canonical JSON."""

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
    """An example's line, without its end, and its tokens.

    `former_id` is its id of before 2026-12 where that was another one; `is_pair`: it is a preference pair.
    """

    text: bytes
    tokens: int
    former_id: str | None = None
    is_pair: bool = False


def line_of(example: Example) -> EncodedLine:
    """An example as a segment stores it, with its hashes, bands and tokens worked out."""
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
    """A stored example as the filters look at it: with what was decided about it in place of what came with it."""
    quality, category = decision.quality_or(head.quality), decision.category_or(head.category)
    return Candidate(decision.status, head.split, category, head.source, quality, head.created_at)


def tokens_in(lines: Iterable[bytes]) -> int:
    """The tokens that lines have together."""
    return sum(head.tokens for head in heads_of(lines))


def kept_lines(lines: list[bytes], erased: Erased) -> list[bytes]:
    """The lines whose examples and subjects are not erased."""
    heads = heads_of(lines)
    return [line for line, head in zip(lines, heads, strict=True) if not erased.covers(head.id, head.subject)]


def without_erased(lines: Iterable[EncodedLine], erased: Erased) -> Iterator[EncodedLine]:
    """The examples that are not erased, neither by the id that they have nor by the one of before 2026-12."""
    for line in lines:
        if erased and (not kept_lines([line.text], erased) or (line.former_id and erased.covers(line.former_id, None))):
            continue
        yield line


def content_of(line: bytes) -> bytes:
    """The content of a line as it is stored: canonical JSON."""
    return line[line.index(CONTENT) + len(CONTENT) : -1]


def pair_line(content: bytes) -> bytes:
    """A preference pair's content, as it is stored, as the line that OpenAI reads."""
    return canonical(pair_of(msgspec.json.decode(content))).encode()


def utc_text(moment: datetime | None) -> str | None:
    """A moment as lines hold it: UTC, microseconds, so that texts sort as times; a naive one is taken as UTC."""
    if moment is None:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="microseconds")
