"""Erasures: the permanent removal of an example, or of all examples of a subject, from everything that holds them.

An erasure writes a mark (a tombstone) that is never taken back. Examples that a mark covers count as never collected,
in every revision and whether they came before the mark or after it. So a repeated delivery, drop or read doesn't bring
them back, and no clock has to decide. Of a subject only a hash is kept.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, derived_id, digest, hash_of_subject, user_hash
from tuneloop.domain.core.limits import DROPS_KEPT, ERASED_WITHIN, POSTS_KEPT, TABLE_RESTORABLE


class ErasureStatus(StrEnum):
    """The steps of an erasure: requested; excluded from every read; rewritten out of the objects; done for good."""

    REQUESTED = "requested"
    EXCLUDED = "excluded"
    REWRITTEN = "rewritten"
    DONE = "done"


class HeldExport(BaseModel):
    """An export that held something of it, and how many of its examples are gone from there."""

    dataset: Name
    export: Name
    examples: int


class TrainedVersion(BaseModel):
    """A version whose provider's model was trained on it."""

    model: Name
    version: int


class Remaining(BaseModel):
    """What still holds it: where, until when, null where that is not ours to say, and what can be done."""

    where: str
    until: datetime | None = None
    advice: str


class ErasureView(BaseModel):
    """An erasure as its users read it; `done_by` is the stated time.

    `subject` is a hash: the subject itself is kept nowhere. `examples` counts what was found in datasets.
    """

    id: Name
    status: ErasureStatus = ErasureStatus.REQUESTED
    dataset: Name | None = None
    example: str | None = None
    subject: str | None = None
    examples: int = 0
    exports: list[HeldExport] = []
    runs: list[Name] = []
    versions: list[TrainedVersion] = []
    remaining: list[Remaining] = []
    requested_at: datetime
    excluded_at: datetime | None = None
    rewritten_at: datetime | None = None
    done_at: datetime | None = None
    done_by: datetime


class Erasure(ErasureView):
    """An erasure as it is stored: its number among the tenant's, and how many examples each dataset held."""

    tenant: Name
    number: int = 0
    found: dict[Name, int] = {}
    seq: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the erasure is not done yet."""
        return self.status != ErasureStatus.DONE


class ErasureMark(BaseModel):
    """What is erased, by its number: an example of a dataset, or the hash of a subject in all of them."""

    number: int
    erasure: Name
    dataset: Name | None = None
    example: str | None = None
    subject: str | None = None


class ErasureMarks:
    """The erasure marks that concern a dataset; `latest` is the number of the tenant's latest erasure."""

    def __init__(self, tenant: str, marks: list[ErasureMark], latest: int = 0) -> None:
        self.latest = max([latest, *(mark.number for mark in marks)])
        self.erasures = {mark.number: mark.erasure for mark in marks}
        self._tenant = tenant
        self._examples = {mark.example: mark.number for mark in marks if mark.example}
        self._subjects = {mark.subject: mark.number for mark in marks if mark.subject}
        self._seen: dict[str, int | None] = {}

    def __bool__(self) -> bool:
        return bool(self.erasures)

    @property
    def has_subjects(self) -> bool:
        """Whether any of the marks is a subject's."""
        return bool(self._subjects)

    def covers(self, example: str, subject: str | None) -> bool:
        """Whether a line with this id and subject is erased."""
        return example in self._examples or (subject is not None and self._of_subject(subject) is not None)

    def numbers(self, example: str, subject: str | None) -> set[int]:
        """The numbers of the marks that cover a line with this id and subject."""
        numbers = (self._examples.get(example), None if subject is None else self._of_subject(subject))
        return {number for number in numbers if number is not None}

    def _of_subject(self, subject: str) -> int | None:
        if subject not in self._seen:
            self._seen[subject] = self._subjects.get(subject_hash(self._tenant, subject))
        return self._seen[subject]


def subject_hash(tenant: str, subject: str) -> str:
    """The hash kept of a subject; equal for a subject's name and for the user hash in the ids of its answers."""
    return digest("subject", tenant, hash_of_subject(subject) or user_hash(tenant, subject))


def example_erasure(tenant: str, dataset: str, example: str, now: datetime) -> Erasure:
    """The erasure of one example."""
    identity = derived_id("erasure", tenant, dataset, example)
    place = {"tenant": tenant, "dataset": dataset, "example": example}
    return Erasure(id=identity, **place, requested_at=now, done_by=now + ERASED_WITHIN)


def subject_erasure(tenant: str, subject: str, now: datetime) -> Erasure:
    """The erasure of all examples of a subject, in all datasets of the tenant."""
    hashed = subject_hash(tenant, subject)
    identity = derived_id("erasure", tenant, hashed)
    return Erasure(id=identity, tenant=tenant, subject=hashed, requested_at=now, done_by=now + ERASED_WITHIN)


def remaining_copies(erasure: Erasure, excluded_at: datetime) -> list[Remaining]:
    """The copies that an erasure doesn't reach, with the place of each and the time until it is deleted."""
    drops, posts = excluded_at + DROPS_KEPT + ERASED_WITHIN, excluded_at + POSTS_KEPT + ERASED_WITHIN
    remaining = [
        Remaining(where="incoming/", until=drops, advice="Files that were dropped, as they came; delete yours sooner."),
        Remaining(where="posted/", until=posts, advice="Posted lines, as they came."),
        Remaining(
            where="point-in-time recovery",
            until=excluded_at + TABLE_RESTORABLE,
            advice="Edits by reviewers stand in the table; after a restore, ask for the erasure again.",
        ),
    ]
    if erasure.runs:
        advice = "A model can't unlearn: train again without it, activate that version, delete this model there."
        remaining.append(Remaining(where="the provider's models", until=None, advice=advice))
    return remaining


def is_settled(rewritten_at: datetime | None, now: datetime, quiet: timedelta) -> bool:
    """Whether the quiet time since the rewrite is over, after which no process works with objects read before it."""
    return rewritten_at is not None and now - rewritten_at >= quiet
