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
    """The segments that a dataset is read from at a revision: those of the latest generation up to it, and later ones.

    Raises Conflict where the revision was merged into later ones and nothing of it is left.
    """
    before = [generation for generation in generations if generation.revision <= revision]
    latest = max(before, key=lambda generation: generation.number, default=None)
    if latest is None and any(generation.alone for generation in generations):
        first = min(generation.revision for generation in generations)
        message = f"Revision {revision} was merged into later ones; the earliest that can be read is {first}."
        raise Conflict(message, param="revision", code="revision_gone")
    start = latest.revision if latest else 0
    later = [segment for segment in segments if start < segment.revision <= revision]
    ordered = sorted(later, key=lambda segment: segment.revision)
    return [*(latest.segments if latest else ()), *ordered]
