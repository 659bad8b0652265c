"""Making segments: lines are held until they are as many as one may hold, then sorted and written."""

from datetime import datetime

from tuneloop.domain.datasets import Segment
from tuneloop.domain.erasures import Erased
from tuneloop.domain.limits import SEGMENT_BYTES
from tuneloop.store.lines import Line, kept_lines
from tuneloop.store.objects import Objects
from tuneloop.store.segments import Writing


class Making:
    """A segment in the making: its lines, which are sorted in the end, so that segments can be read side by side.

    What was erased is not added.
    """

    def __init__(self, erased: Erased) -> None:
        self._erased = erased
        self.lines: list[bytes] = []
        self.bytes = 0
        self._tokens = self._pairs = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes fit in; into an empty one everything does."""
        return not self.lines or self.bytes + size < SEGMENT_BYTES

    def add(self, line: Line) -> None:
        """Add an example by its line."""
        if self._erased and not kept_lines([line.text], self._erased):
            return
        if line.former_id and self._erased.covers(line.former_id, None):  # erased before nulls left its id
            return
        self.lines.append(line.text)
        self.bytes += len(line.text)
        self._tokens += line.tokens
        self._pairs += line.is_pair

    def segment(self, prefix: str, objects: Objects, now: datetime) -> Segment:
        """The segment, written."""
        writing = Writing()
        writing.add(sorted(self.lines), self._tokens)
        made = writing.end(prefix, objects, revision=0, without=self._erased.latest, now=now)
        return made.model_copy(update={"pairs": self._pairs})
