"""Reviewing: decisions on examples by who saw them as they are; what changed meanwhile is refused, the rest is done.

A decision that was sent before is known by what it says and counts as done, so a call whose answer got lost can be
repeated as it was, and one that died halfway is completed by that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from review_examples.views import Refusal
from tuneloop.domain.chat.examples import Example
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.reviews import Review, Status
from tuneloop.store.objects.stored_lines import Stored, line_of
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.reviews import Reviews, batches

TRIES = 10


class Wish(NamedTuple):
    """What somebody decides who saw a version of an example; `edit` is the whole example as it should be."""

    example: str
    version: int
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    edit: Example | None = None
    note: str | None = None


class Reviewing:
    """Decisions that one reviewer takes on a dataset at one time."""

    def __init__(
        self,
        tenant: str,
        name: str,
        reviewer: str,
        now: datetime,
        *,
        datasets: Datasets,
        contents: Contents,
        reviews: Reviews,
    ) -> None:
        self._tenant, self._name, self._reviewer, self._now = tenant, name, reviewer, now
        self._datasets, self._contents, self._reviews = datasets, contents, reviews
        self._histories: dict[str, list[Review]] = {}
        self._read = 0
        self._originals: dict[str, Stored] = {}
        self._erasures = 0
        self.revision = 0
        self.changed = 0
        self.refused: list[Refusal] = []

    def decide(self, wishes: Sequence[Wish], *, known_at: int | None = None) -> None:
        """Take decisions, those that can be; all of the examples exist if no erasure came after number `known_at`."""
        for _ in range(TRIES):
            dataset = self._datasets.get(self._tenant, self._name)
            known = dataset.erasures == known_at
            self._catch_up(dataset)
            if not known:
                self._look_up(wishes, dataset.revision)
            reviews, refused = self._plan(wishes, known=known)
            try:
                self._store(reviews, dataset)
            except Stale:  # the dataset changed meanwhile: look again, at what is new of it
                continue
            self.changed += len(wishes) - len(refused)
            self.refused += refused
            return
        raise Stale(f"Dataset {self._name} is changing too fast to review it; try again.")

    def _catch_up(self, dataset: Dataset) -> None:
        """Read what was decided since; after an erasure everything, since what was read may be gone."""
        if dataset.erasures != self._erasures:
            self._histories, self._originals, self._read = {}, {}, 0
            self._erasures = dataset.erasures
        if dataset.revision > self._read:
            for review in self._reviews.taken(self._tenant, self._name, dataset.revision, self._read):
                self._histories.setdefault(review.example, []).append(review)
        self._read = self.revision = dataset.revision

    def _look_up(self, wishes: Sequence[Wish], revision: int) -> None:
        """Find the examples; that one was decided on doesn't prove that it is there still."""
        if missing := {wish.example for wish in wishes} - self._originals.keys():
            self._originals |= self._contents.originals(self._tenant, self._name, revision, missing)

    def _plan(self, wishes: Sequence[Wish], *, known: bool) -> tuple[list[Review], list[Refusal]]:
        """The decisions that are new, and those that can't be taken; what is in neither was taken before."""
        new: dict[str, list[Review]] = {}
        refused = []
        for wish in wishes:
            if not known and wish.example not in self._originals:
                refused.append(_unknown(wish))
                continue
            history = [*self._histories.get(wish.example, []), *new.get(wish.example, [])]
            version = history[-1].number if history else 0
            review = self._review(wish)
            if wish.version == version:
                new.setdefault(wish.example, []).append(review)
            elif not any(map(review.says, history)):
                refused.append(_stale(wish, version))
        return [review for reviews in new.values() for review in reviews], refused

    def _review(self, wish: Wish) -> Review:
        line = _edited(self._originals[wish.example], wish.edit) if wish.edit else None
        decided = {name: getattr(wish, name) for name in ("status", "quality", "category", "note")}
        return Review(wish.example, wish.version + 1, 0, self._reviewer, self._now, line=line, **decided)

    def _store(self, reviews: Sequence[Review], dataset: Dataset) -> None:
        for batch in batches(reviews):
            reviewed = dataset.reviewed(self._now)
            numbered = [review._replace(revision=reviewed.revision) for review in batch]
            self._reviews.add(numbered, reviewed)
            for review in numbered:
                self._histories.setdefault(review.example, []).append(review)
            dataset = reviewed.model_copy(update={"seq": reviewed.seq + 1})
            self._read = self.revision = dataset.revision


def _edited(original: Stored, edit: Example) -> str:
    """The line of an edited example: another content under the old id, from the same subject, source and time."""
    return line_of(original.example.model_copy(update={"content": edit.content})).text.decode()


def _unknown(wish: Wish) -> Refusal:
    return Refusal(example=wish.example, code="not_found", message="The dataset has no such example.")


def _stale(wish: Wish, version: int) -> Refusal:
    why = "Somebody decided on it meanwhile" if wish.version < version else "Nobody decided on it so often"
    message = f"{why}: it has version {version}, not {wish.version}. Look at it again."
    return Refusal(example=wish.example, code="stale", message=message, version=version)
