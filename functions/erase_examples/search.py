"""Searching: which examples of a dataset are erased, and which of its segments hold a line of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tuneloop.domain.datasets.datasets import Segment
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.exports.columns import name_number
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.segments import blocks_of
from tuneloop.store.objects.stored_lines import heads_of
from tuneloop.store.repositories.generations import Generations


@dataclass
class ErasedLines:
    """Examples of which nothing is left, with the numbers of the marks that cover them; keys of segments to rewrite.

    `subjects` are the erased ones by their numbers: what they sent stays where somebody else sent it too.
    """

    examples: dict[str, set[int]] = field(default_factory=dict)
    subjects: set[int] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)


def search(tenant: str, dataset: str, erased: Erased, *, generations: Generations, objects: Objects) -> ErasedLines:
    """What of a dataset is erased, in all that any revision of it is read from.

    What one subject sent and another one too is the other's still: such an example is not among those that are gone.
    """
    found = ErasedLines()
    segments = generations.segments(tenant, dataset) if erased else []
    for segment in segments:
        for block in blocks_of(segment, objects):
            for head in heads_of(block):
                if numbers := erased.numbers(head.id, head.subject):
                    found.examples.setdefault(head.id, set()).update(numbers)
                    found.segments.add(segment.key)
                    if erased.covers("", head.subject):  # by its subject, whatever its id
                        found.subjects.add(name_number(head.subject))
    if found.examples and erased.has_subjects:
        _leave_to_others(found, segments, erased, objects)
    return found


def _leave_to_others(found: ErasedLines, segments: Iterable[Segment], erased: Erased, objects: Objects) -> None:
    """Take back the examples of which another subject's line is left."""
    for segment in segments:
        for block in blocks_of(segment, objects):
            for head in heads_of(block):
                if head.id in found.examples and not erased.covers(head.id, head.subject):
                    del found.examples[head.id]
