"""Stored lines: an example as a segment keeps it, with what was found out about it when it was collected.

The id comes first, so that sorting lines sorts examples; the content comes last and is never parsed where only its
bytes are wanted. `created_at` is UTC in one fixed format, so that it sorts as text.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tuneloop.domain.examples import Example, canonical
from tuneloop.domain.facts import facts_of, prompt_text
from tuneloop.likeness import bands_of
from tuneloop.tokens import count_messages

ID = slice(7, 71)  # of a line: {"id":"<64 hex digits>"


class Stored(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One example in a segment; hashes and bands in hex, `content` as canonical JSON."""

    id: str
    tokens: int
    unit: str
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
    content: msgspec.Raw

    @property
    def example(self) -> Example:
        """The example itself."""
        ours = {name: getattr(self, name) for name in Example.model_fields if name not in ("id", "content")}
        return Example.model_validate({"id": self.id, "content": msgspec.json.decode(self.content), **ours})


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stored).decode


class Line(NamedTuple):
    """An example's line, without its end, and its tokens."""

    text: bytes
    tokens: int


def line_of(example: Example) -> Line:
    """An example as it is stored."""
    facts, tokens = facts_of(example), count_messages(example.messages, example.content.get("tools"))
    stored = Stored(
        id=example.id,
        tokens=tokens,
        unit=facts.unit,
        answer=facts.answer,
        normal=facts.normal,
        characters=facts.characters,
        near=bands_of(prompt_text(example)),
        split=example.split,
        subject=example.subject,
        group=example.group,
        category=example.category,
        source=example.source,
        quality=example.quality,
        created_at=utc_text(example.created_at),
        content=msgspec.Raw(canonical(example.content).encode()),
    )
    return Line(_encode(stored), tokens)


def read_line(line: bytes) -> Stored:
    """What a line holds."""
    return _decode(line)


def utc_text(moment: datetime | None) -> str | None:
    """A moment as lines hold it: UTC, microseconds, so that texts sort as times; a naive one is taken as UTC."""
    if moment is None:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="microseconds")
