"""Search in blocks of stored lines: a few bytes decide on nearly every example, and few lines are parsed.

A line that doesn't match is cut where its content begins as soon as it is read: the part before decides which of
several lines of one example counts, and the content needn't be carried through the merge. The name of the content
field stays, so that cut lines sort as whole ones do.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision
from tuneloop.store.objects.merge import creation_time
from tuneloop.store.objects.segments import CONTENT, ID, Lines, Stored, read_line

Decisions = dict[bytes, Decision]
# Blocks of a segment that are read in a row: with each change to another segment, its decoder has to be fetched into
# the processor's caches again.
BLOCKS_IN_A_ROW = 4
END_OF_WHOLE_LINE = ord("}")  # a line that was cut ends otherwise
QUALITY = b',"quality":'
PREFERENCE = b',"preference":true'


class Hit(NamedTuple):
    """An example that a search found: its line as it stands, edited if it was, and what was decided about it."""

    line: bytes
    decision: Decision

    @property
    def id(self) -> str:
        """The example's id, 64 hex digits."""
        return self.line[ID].decode()

    @property
    def place(self) -> tuple[bytes, bytes]:
        """The sort key of examples by age: when the example was made, empty if that is unknown, then its id."""
        return creation_time(self.line), self.line[ID]

    @property
    def stored(self) -> Stored:
        """The example's line, parsed."""
        return read_line(self.line)


class Search:
    """A search for the examples that match a filter, by their stored lines and the decisions that override them."""

    def __init__(self, example_filter: ExampleFilter, decisions: Decisions) -> None:
        self._filter, self._decisions = example_filter, decisions
        self._needles = [needle.encode() for needle in example_filter.needles()]
        self._has_range = (example_filter.min_quality, example_filter.max_quality) != (None, None)

    def lines_in(self, pieces: Iterator[bytes]) -> Iterator[Lines]:
        """The lines of a segment from its pieces; those that can't match are cut."""
        blocks = self._blocks_in(pieces)
        while lines := list(chain.from_iterable(islice(blocks, BLOCKS_IN_A_ROW))):
            yield lines

    def _blocks_in(self, pieces: Iterator[bytes]) -> Iterator[Lines]:
        """The lines of a segment, in blocks of those that end in one piece."""
        rest = b""
        for piece in pieces:
            lines, rest = self._cut(rest + piece)
            if lines:  # none ends here where a line is longer than a piece
                yield lines

    def _cut(self, piece: bytes) -> tuple[Lines, bytes]:
        """A piece's lines, and the unfinished line at its end; a line with a decision is never cut.

        The part that is cut off is never copied: copying would take more time than all the rest of the search.
        """
        find, decisions, lines, start, name = piece.find, self._decisions, [], 0, len(CONTENT)
        first = self._needles[0] if self._needles else b""  # most lines lack it, and need no other test
        may_contain_text = self._text_finder(piece)
        while (head := find(CONTENT, start)) >= 0 and (end := find(b"\n", head)) >= 0:
            if piece[start + ID.start : start + ID.stop] in decisions:
                lines.append(piece[start:end])
            elif (
                find(first, start + ID.stop, head) >= 0
                and may_contain_text(head, end)
                and self._may_match(line := piece[start:end], head - start)
            ):
                lines.append(line)
            else:
                lines.append(piece[start : head + name])
            start = end + 1
        return lines, piece[start:]

    def _text_finder(self, piece: bytes) -> Callable[[int, int], bool]:
        """A test whether the filter's text may stand between two places of a piece; calls must go forward."""
        text = self._filter.packed
        if text is None or self._needles:  # with a needle few lines are left to be looked at
            return lambda *_: True
        folded, place = piece.lower(), -1

        def may_contain_text(start: int, end: int) -> bool:
            """Whether the next place of the text lies between `start` and `end`."""
            nonlocal place
            if place < start and (place := folded.find(text, start)) < 0:
                place = len(folded)
            return place < end

        return may_contain_text

    def hits(self, blocks: Iterator[Lines], check: Callable[[], None]) -> Iterator[Hit]:
        """Every example that matches, in the order of the merged lines; `check` is called for each block."""
        for block in blocks:
            check()
            for line in block:
                if line[-1] == END_OF_WHOLE_LINE and (hit := self._hit(line)):
                    yield hit

    def _may_match(self, line: bytes, head: int) -> bool:
        """Whether an example without a decision matches, as far as the bytes tell; its content begins at `head`."""
        for needle in self._needles[1:]:
            if line.find(needle, ID.stop, head) < 0:
                return False
        rules = self._filter
        if not rules.may_match_unreviewed or (self._has_range and not rules.matches_quality(_quality(line, head))):
            return False
        if rules.preference is not None and (line.find(PREFERENCE, ID.stop, head) > 0) != rules.preference:
            return False
        return rules.text is None or rules.may_contain_text(line, head)

    def _hit(self, line: bytes) -> Hit | None:
        """The example of a whole line, if it matches as it stands by now."""
        decision = self._decisions.get(line[ID], UNDECIDED)
        if decision is UNDECIDED and self._filter.is_plain:
            return Hit(line, decision)
        current = decision.line.encode() if decision.line else line
        stored = read_line(current)
        return Hit(current, decision) if self._filter.matches(stored, decision) and self._has_text(stored) else None

    def _has_text(self, stored: Stored) -> bool:
        """Whether the filter's text stands in an example's content: by its bytes first, then in one of its values."""
        content = bytes(stored.content)
        return self._filter.text is None or (
            self._filter.may_contain_text(content) and self._filter.contains_text(msgspec.json.decode(content))
        )


def _quality(line: bytes, head: int) -> float | None:
    """The quality that a line came with, read from its bytes before the content at `head`."""
    place = line.find(QUALITY, ID.stop, head) + len(QUALITY)
    if place < len(QUALITY):
        return None
    end = line.find(b",", place, head)
    return float(line[place : end if end > 0 else head])
