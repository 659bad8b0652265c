"""Making segments: lines are held until they are as many as one may hold, then sorted and written."""

from datetime import datetime

from tuneloop.domain.datasets import Segment
from tuneloop.domain.erasures import Erased
from tuneloop.domain.limits import SEGMENT_BYTES
from tuneloop.store.lines import Line, kept_lines
from tuneloop.store.objects import Objects, Packing


class Making:
    """A segment in the making: its lines, which are sorted in the end, so that segments can be read side by side.

    What was erased is not added.
    """

    def __init__(self, erased: Erased) -> None:
        self._erased = erased
        self.lines: list[bytes] = []
        self.bytes = 0
        self._tokens = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes fit in; into an empty one everything does."""
        return not self.lines or self.bytes + size < SEGMENT_BYTES

    def add(self, line: Line) -> None:
        """Add an example by its line."""
        if self._erased and not kept_lines([line.text], self._erased):
            return
        self.lines.append(line.text)
        self.bytes += len(line.text)
        self._tokens += line.tokens

    def segment(self, prefix: str, objects: Objects, now: datetime) -> Segment:
        """The segment, written."""
        packing = Packing()
        for line in sorted(self.lines):
            packing.add(line)
        key, written = objects.put_segment(prefix, packing)
        return Segment(
            sha256=written.sha256,
            key=key,
            examples=len(self.lines),
            tokens=self._tokens,
            bytes=written.bytes,
            revision=0,
            without=self._erased.latest,
            created_at=now,
        )


def folder_of(tenant: str, dataset: str) -> str:
    """Where a dataset's segments lie."""
    return f"datasets/{tenant}/{dataset}/segments/"
