"""Reviews: what was decided about an example, by whom and when. Decisions are kept for ever and never overwritten.

The current state of an example is its history folded: the last decision of each kind counts. A decision names the
number of the one that it saw last, so that two reviewers can't overwrite each other.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.ids import Name


class Status(StrEnum):
    """Where an example stands: nobody decided, or the last that somebody decided."""

    UNREVIEWED = "unreviewed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Review(BaseModel):
    """One decision on one example; what it leaves out stays as it was.

    `line` is the example as it was edited, as a stored line under its old id; `revision` is the dataset's that it made.
    """

    tenant: Name
    dataset: Name
    example: str
    number: int
    revision: int
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    line: str | None = None
    reviewer: str
    note: str | None = None
    created_at: datetime


class Decision(BaseModel):
    """What an example's history comes to; `number` counts its reviews."""

    number: int = 0
    status: Status = Status.UNREVIEWED
    quality: float | None = None
    category: str | None = None
    line: str | None = None
    reviewer: str | None = None
    reviewed_at: datetime | None = None


UNDECIDED = Decision()


def decision_of(history: Iterable[Review]) -> Decision:
    """What the reviews of one example, oldest first, come to."""
    found: dict[str, object] = {}
    for review in history:
        said = {name: value for name in ("status", "quality", "category", "line") if (value := getattr(review, name))}
        quality = {} if review.quality is None else {"quality": review.quality}
        found |= {**said, **quality, "reviewer": review.reviewer, "reviewed_at": review.created_at}
        found["number"] = review.number
    return Decision.model_validate(found) if found else UNDECIDED
