"""Generations: a dataset's segments merged into few, while those that they were made of stay readable for a while.

A generation stands for every segment up to its revision; what came later is read beside it. So merging changes nothing
that a revision holds: it is no change of the dataset, and an export comes out the same before it and after it.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.datasets.datasets import Segment


class Generation(BaseModel):
    """Segments that stand for all up to a revision.

    Once it is `alone`, what it was made of is gone, and no earlier revision can be read.
    """

    number: int
    revision: int
    segments: list[Segment]
    alone: bool = False
    created_at: datetime
    seq: int = 0


def segments_at(segments: Sequence[Segment], generations: Sequence[Generation], revision: int) -> list[Segment]:
    """What a dataset is read from at a revision: the latest generation up to it, and what came after that.

    Raises Conflict where a revision is asked for of which nothing is left.
    """
    before = [each for each in generations if each.revision <= revision]
    latest = max(before, key=lambda each: each.number, default=None)
    if latest is None and any(each.alone for each in generations):
        first = min(each.revision for each in generations)
        message = f"Revision {revision} was merged into later ones; the earliest that can be read is {first}."
        raise Conflict(message, param="revision", code="revision_gone")
    start = latest.revision if latest else 0
    later = [segment for segment in segments if start < segment.revision <= revision]
    ordered = sorted(later, key=lambda segment: segment.revision)
    return [*(latest.segments if latest else ()), *ordered]
