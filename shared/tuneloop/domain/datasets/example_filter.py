"""Filters: which examples of a dataset are wanted, by what stands beside their content and by what is said in it.

Nearly all are told by some bytes of their stored line, without parsing it: one that can't match lacks a needle. Letter
case doesn't count in a text.
"""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.limits import CATEGORY_CHARACTERS, SEARCH_CHARACTERS
from tuneloop.domain.datasets.reviews import Decision, Status

ESCAPED = re.compile(r'["\\\x00-\x1f]')  # what JSON writes in another way than it is
KIND_FIELDS = ("role", "type")  # their values name a kind; nobody says them
TOOLS = b',"tools":['  # of canonical content the last field; in a text its quotes would be escaped
LETTERS = re.compile(r"[^\W\d_]+")  # a run of letters, as `STRUCTURAL_WORDS` has them
# Letters that stand in content without being said: names of fields, roles, types, and JSON's own words.
STRUCTURAL_WORDS = """arguments assistant audio content custom data detail developer false file filename format function
function_call id image_url index input_audio messages name non_preferred_output null parallel_tool_calls refusal role
system text tool tool_call_id tool_calls tools true type url user weight"""


class ExampleFilter(BaseModel):
    """What an example must be to be found; whatever is left out doesn't matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status | None = None
    category: str | None = Field(default=None, min_length=1, max_length=CATEGORY_CHARACTERS)
    source: str | None = Field(default=None, min_length=1, max_length=CATEGORY_CHARACTERS)
    split: Split | None = None
    preference: StrictBool | None = None
    min_quality: float | None = Field(default=None, ge=0, le=1, strict=True)
    max_quality: float | None = Field(default=None, ge=0, le=1, strict=True)
    text: str | None = Field(default=None, min_length=1, max_length=SEARCH_CHARACTERS)

    def require_range(self) -> None:
        """Refuse a range of qualities that holds none."""
        least, most = self.min_quality, self.max_quality
        if least is not None and most is not None and least > most:
            raise InvalidInput("`min_quality` must not be above `max_quality`.", param="min_quality")

    @property
    def key(self) -> str:
        """A text that tells one filter from another."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)

    @cached_property
    def may_match_unreviewed(self) -> bool:
        """Whether an example that nobody decided on can match."""
        return self.status in (None, Status.UNREVIEWED)

    @cached_property
    def is_plain(self) -> bool:
        """Whether needles and text say all about an undecided example, so that it needn't be parsed."""
        names = [value for _, value in self._named]
        return all(value == plain_piece(value) for value in names) and (
            self.text is None or is_found_in_text_only(self.text)
        )

    def needles(self) -> list[str]:
        """What the line of an undecided example holds before its content if it is wanted."""
        return [
            f'"{name}":"{value}"' if value == plain_piece(value) else plain_piece(value) for name, value in self._named
        ]

    def matches(self, line: Any, decision: Decision) -> bool:
        """Whether an example is wanted by what stands beside its content (`line` has the fields of an example)."""
        return (
            self.status in (None, decision.status)
            and self.category in (None, decision.category_or(line.category))
            and self.source in (None, line.source)
            and self.split in (None, line.split)
            and self.preference in (None, line.preference)
            and self.matches_quality(decision.quality_or(line.quality))
        )

    def matches_quality(self, quality: float | None) -> bool:
        """Whether a quality is in the range; where there is a range, examples without one are not wanted."""
        least, most = self.min_quality, self.max_quality
        if quality is None:
            return least is None and most is None
        return (least is None or quality >= least) and (most is None or quality <= most)

    def may_contain_text(self, line: bytes, start: int = 0) -> bool:
        """Whether content, as canonical JSON that begins at a place of a line, could hold the text before its tools."""
        packed = self.packed
        if packed is None:
            return self._piece in line[start:].split(TOOLS)[0].decode().casefold()
        place = line.lower().find(packed, start)
        return place >= 0 and line.find(TOOLS, start, place) < 0

    def contains_text(self, content: JsonObject) -> bool:
        """Whether parsed content contains the filter's text, in any value but roles and types."""
        text = (self.text or "").casefold()
        return any(text in value.casefold() for value in texts_in(content))

    @property
    def _named(self) -> list[tuple[str, str]]:
        fields = (("category", self.category), ("source", self.source), ("split", self.split and self.split.value))
        return [(name, value) for name, value in fields if value]

    @cached_property
    def packed(self) -> bytes | None:
        """What to look for in bytes of any letter case; None where there is no text, or letter case is not ASCII's."""
        return self._piece.encode() if self.text and plain_piece(self.text).isascii() else None

    @cached_property
    def _piece(self) -> str:
        return plain_piece(self.text or "").casefold()  # which makes ASCII of letters such as ß


def plain_piece(text: str) -> str:
    """The longest piece of a text that stands in JSON as it is."""
    return max(ESCAPED.split(text), key=len)


def is_found_in_text_only(text: str) -> bool:
    """Whether a text that stands in content can only be said there, and stands there as it is."""
    folded = text.casefold()
    if text != plain_piece(text) or folded in STRUCTURAL_WORDS:
        return False
    return any(run not in STRUCTURAL_WORDS for run in LETTERS.findall(folded))


def texts_in(value: Any) -> Iterator[str]:
    """Every text in messages, whatever they are made of; the tools that were at hand say nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in (*KIND_FIELDS, "tools"):
                yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)
