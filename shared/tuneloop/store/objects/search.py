"""Search in blocks of stored lines: nearly all examples are told by a few of their bytes, and few are parsed.

A line that isn't wanted is cut where its content begins when it is read: what stands before tells which of several
lines of one example counts, and the rest needn't be carried through the merge. The name of the content stays, so that
lines that are cut sort as whole ones do.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision
from tuneloop.store.objects.merge import Lines, creation_time
from tuneloop.store.objects.segments import CONTENT, ID, Stored, read_line

Decisions = dict[bytes, Decision]
# Blocks of a segment that are read in a row: each change to another segment costs what its decoder has to fetch into
# the processor's caches again.
AT_ONCE = 4
END = ord("}")  # a whole line ends with it, one that was cut never does
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
        """When it was made, nothing where nobody knows, and its id: what sorts examples by their age."""
        return creation_time(self.line), self.line[ID]

    @property
    def stored(self) -> Stored:
        """The example's line, parsed."""
        return read_line(self.line)


class Search:
    """A filter for stored lines, and the decisions that stand over what came with them."""

    def __init__(self, wanted: ExampleFilter, decisions: Decisions) -> None:
        self._wanted, self._decisions = wanted, decisions
        self._needles = [needle.encode() for needle in wanted.needles()]
        self._has_range = (wanted.min_quality, wanted.max_quality) != (None, None)

    def lines_in(self, pieces: Iterator[bytes]) -> Iterator[Lines]:
        """The lines of a segment from its pieces, those cut that aren't wanted."""
        blocks = self._blocks_in(pieces)
        while lines := list(chain.from_iterable(islice(blocks, AT_ONCE))):
            yield lines

    def _blocks_in(self, pieces: Iterator[bytes]) -> Iterator[Lines]:
        """The lines of a segment, those that end in one piece at a time."""
        rest = b""
        for piece in pieces:
            lines, rest = self._cut(rest + piece)
            if lines:  # a line may be longer than many pieces
                yield lines

    def _cut(self, piece: bytes) -> tuple[Lines, bytes]:
        """A piece's lines, and the beginning of one at its end; one that somebody decided on is left whole.

        What is cut off is never copied, which takes more time than all the rest.
        """
        find, decisions, lines, start, name = piece.find, self._decisions, [], 0, len(CONTENT)
        first = self._needles[0] if self._needles else b""  # most lines lack it, and are asked for nothing else
        may_contain_text = self._text_finder(piece)
        while (head := find(CONTENT, start)) >= 0 and (end := find(b"\n", head)) >= 0:
            if piece[start + ID.start : start + ID.stop] in decisions:
                lines.append(piece[start:end])
            elif (
                find(first, start + ID.stop, head) >= 0
                and may_contain_text(head, end)
                and self._is_wanted(line := piece[start:end], head - start)
            ):
                lines.append(line)
            else:
                lines.append(piece[start : head + name])
            start = end + 1
        return lines, piece[start:]

    def _text_finder(self, piece: bytes) -> Callable[[int, int], bool]:
        """A test whether the wanted text may stand between two places of a piece, to be asked for ever later places."""
        text = self._wanted.packed
        if text is None or self._needles:  # with a needle few lines are left to be looked at
            return lambda *_: True
        folded, place = piece.lower(), -1

        def may_contain_text(start: int, end: int) -> bool:
            """Whether the next place of the text lies between these."""
            nonlocal place
            if place < start and (place := folded.find(text, start)) < 0:
                place = len(folded)
            return place < end

        return may_contain_text

    def hits(self, blocks: Iterator[Lines], check: Callable[[], None]) -> Iterator[Hit]:
        """Every wanted example of such lines, in their order; `check` is called for each block."""
        for block in blocks:
            check()
            for line in block:
                if line[-1] == END and (hit := self._hit(line)):
                    yield hit

    def _is_wanted(self, line: bytes, head: int) -> bool:
        """Whether an example that nobody decided on is wanted, or may be where only parsing can tell."""
        for needle in self._needles[1:]:
            if line.find(needle, ID.stop, head) < 0:
                return False
        wanted = self._wanted
        if not wanted.may_match_unreviewed or (self._has_range and not wanted.matches_quality(_quality(line, head))):
            return False
        if wanted.preference is not None and (line.find(PREFERENCE, ID.stop, head) > 0) != wanted.preference:
            return False
        return wanted.text is None or wanted.may_contain_text(line, head)

    def _hit(self, line: bytes) -> Hit | None:
        """The example of a whole line, if it is wanted as it stands by now."""
        decision = self._decisions.get(line[ID], UNDECIDED)
        if decision is UNDECIDED and self._wanted.is_plain:
            return Hit(line, decision)
        current = decision.line.encode() if decision.line else line
        stored = read_line(current)
        return Hit(current, decision) if self._wanted.matches(stored, decision) and self._says(stored) else None

    def _says(self, stored: Stored) -> bool:
        """Whether the wanted text stands in an example's content: by its bytes first, then in a value of it."""
        wanted, content = self._wanted, bytes(stored.content)
        return wanted.text is None or (
            wanted.may_contain_text(content) and wanted.contains_text(msgspec.json.decode(content))
        )


def _quality(line: bytes, head: int) -> float | None:
    """The quality that a line came with, read from its bytes before the content at `head`."""
    place = line.find(QUALITY, ID.stop, head) + len(QUALITY)
    if place < len(QUALITY):
        return None
    end = line.find(b",", place, head)
    return float(line[place : end if end > 0 else head])
