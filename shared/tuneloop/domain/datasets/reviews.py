"""Reviews: what was decided about an example, by whom and when. Decisions are kept for ever and never overwritten.

The current state of an example is its history folded: the last decision of each kind counts. A decision names the
number of the one that it saw last, so that two reviewers can't overwrite each other.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """Where an example stands: nobody decided, or the last that somebody decided."""

    UNREVIEWED = "unreviewed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Review(NamedTuple):
    """One decision on one example; what it leaves out stays as it was.

    `line` is the example as it was edited, as a stored line under its old id; `revision` is the dataset's that it made.
    """

    example: str
    number: int
    revision: int
    reviewer: str
    created_at: datetime
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    line: str | None = None
    note: str | None = None

    def says(self, other: "Review") -> bool:
        """Whether another review decides the same, so that it is this one sent again."""
        return self[:2] == other[:2] and self[5:] == other[5:] and self.reviewer == other.reviewer


class Decision(NamedTuple):
    """What an example's history comes to; `number` counts its reviews."""

    number: int = 0
    status: Status = Status.UNREVIEWED
    quality: float | None = None
    category: str | None = None
    line: str | None = None
    reviewer: str | None = None
    reviewed_at: datetime | None = None

    def quality_or(self, collected: float | None) -> float | None:
        """The quality that a reviewer gave; the one that the example was collected with where none did."""
        return collected if self.quality is None else self.quality

    def category_or(self, collected: str | None) -> str | None:
        """The category that a reviewer gave; the one that the example was collected with where none did."""
        return self.category or collected

    def after(self, review: Review) -> "Decision":
        """The decision after applying one more review."""
        return Decision(
            review.number,
            review.status or self.status,
            self.quality if review.quality is None else review.quality,
            review.category or self.category,
            review.line or self.line,
            review.reviewer,
            review.created_at,
        )


UNDECIDED = Decision()


def decision_of(history: Iterable[Review]) -> Decision:
    """The decision that the reviews of one example, oldest first, come to."""
    decision = UNDECIDED
    for review in history:
        decision = decision.after(review)
    return decision
