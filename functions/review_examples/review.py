"""Reviews: decisions on examples. A decision on an example that changed since its reviewer saw it is refused.

A decision that is already stored is recognized by its content and counts as taken. So a call whose answer was lost can
be sent again unchanged, and sending again a call that died halfway completes it.

One decision can also apply to all examples that match a filter at the revision that the reviewer looked at. It is
stored a thousand examples at a time until the time runs out; the answer then names the example to continue after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from review_examples.views import Change, ExampleChange, NewReviews, Refusal, Reviewed
from tuneloop.domain.chat.examples import OWN_FIELDS, Example, Problem, read_example
from tuneloop.domain.chat.messages import canonical
from tuneloop.domain.core.errors import InvalidInput, NotFound, Stale, TooLarge
from tuneloop.domain.core.limits import EDIT_BYTES, REVIEWS_AT_ONCE
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.datasets.reviews import Review, Status
from tuneloop.observability import log_failure
from tuneloop.store.objects.search import Hit
from tuneloop.store.objects.segments import Stored, line_of
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.reviews import Reviews, batches
from tuneloop.store.retry import retry_stale
from tuneloop.validation.line_parser import isolate_line

# Seconds for another thousand decisions and the answer: with less time left, the answer tells the caller to continue.
BATCH_NEEDS_S = 8.0


class ReviewRequest(NamedTuple):
    """One decision on an example, by a reviewer who saw its `version`; `edit` is the whole example as it should be."""

    example: str
    version: int
    status: Status | None = None
    quality: float | None = None
    category: str | None = None
    edit: Example | None = None
    note: str | None = None


@dataclass(frozen=True)
class ReviewExamples:
    """Stores decisions on a dataset's examples; `check` raises OutOfTime once the caller no longer waits."""

    datasets: Datasets
    contents: Contents
    reviews: Reviews
    remaining_s: Callable[[], float]
    check: Callable[[], None]

    def review(self, tenant: str, name: str, new: NewReviews, reviewer: str, now: datetime) -> Reviewed:
        """Store the decisions that are up to date, and list those refused.

        NotFound or Stale if the call's only decision is refused; InvalidInput for a revision that doesn't exist yet.
        """
        call = _ReviewCall(self, tenant, name, reviewer, now)
        next_example = None
        if new.matching is not None and new.change is not None and new.revision is not None:
            next_example = self._review_matching(call, new.matching, new.change, new.revision, new.after or "")
        else:
            self.datasets.get(tenant, name)
            requests = [_request(change, place) for place, change in enumerate(new.reviews or ())]
            call.decide(requests)
            if len(requests) == len(call.refused) == 1:
                raise _error_of(call.refused[0])
        return Reviewed(revision=call.revision, changed=call.changed, refused=call.refused, next=next_example)

    def _review_matching(
        self, call: "_ReviewCall", example_filter: ExampleFilter, change: Change, revision: int, after: str
    ) -> str | None:
        """Decide on the matching examples after an id; return the id to continue after, None once all are done."""
        example_filter.require_range()
        dataset = self.datasets.get(call.tenant, call.name)
        call.revision = dataset.revision
        if revision > dataset.revision:
            rule = "`revision` must be one that the dataset has had, as a listing names it."
            raise InvalidInput(rule, param="revision")
        with self.contents.search(call.tenant, call.name, revision, example_filter, self.check) as hits:
            changing = (hit for hit in hits if hit.id > after and not _has_change(hit, change))
            while batch := list(islice(changing, REVIEWS_AT_ONCE)):
                requests = [ReviewRequest(hit.id, hit.decision.number, **change.model_dump()) for hit in batch]
                call.decide(requests, searched_at_erasure=dataset.erasures)
                if self.remaining_s() < BATCH_NEEDS_S:
                    return batch[-1].id if next(changing, None) else None
        return None


class _ReviewCall:
    """The decisions of one call: what was read of the dataset so far, and which decisions were stored or refused."""

    def __init__(self, stores: ReviewExamples, tenant: str, name: str, reviewer: str, now: datetime) -> None:
        self.tenant, self.name = tenant, name
        self._reviewer, self._now = reviewer, now
        self._stores = stores
        self._histories: dict[str, list[Review]] = {}
        self._read = 0  # the revision up to which `_histories` is complete
        self._originals: dict[str, Stored] = {}
        self._erasures = 0
        self.revision = 0
        self.changed = 0
        self.refused: list[Refusal] = []

    def decide(self, requests: Sequence[ReviewRequest], *, searched_at_erasure: int | None = None) -> None:
        """Store decisions and collect the refused ones.

        `searched_at_erasure` is the number of the latest erasure when a search found the examples: while the dataset
        has seen no later one, all of them exist and needn't be looked up. None means that they must be.
        """

        def plan_and_store() -> list[Refusal]:
            """Decide on the dataset as it is now; Stale if it changes in between, then what is new is read first."""
            dataset = self._stores.datasets.get(self.tenant, self.name)
            all_exist = dataset.erasures == searched_at_erasure
            self._catch_up(dataset)
            if not all_exist:
                self._look_up(requests, dataset.revision)
            reviews, refused = self._plan(requests, all_exist=all_exist)
            self._store(reviews, dataset)
            return refused

        refused = retry_stale(plan_and_store, f"Dataset {self.name}")
        self.changed += len(requests) - len(refused)
        self.refused += refused

    def _catch_up(self, dataset: Dataset) -> None:
        """Read the reviews that are newer than those read so far; after an erasure all, as some may be gone."""
        if dataset.erasures != self._erasures:
            self._histories, self._originals, self._read = {}, {}, 0
            self._erasures = dataset.erasures
        if dataset.revision > self._read:
            for review in self._stores.reviews.in_order(self.tenant, self.name, dataset.revision, self._read):
                self._histories.setdefault(review.example, []).append(review)
        self._read = self.revision = dataset.revision

    def _look_up(self, requests: Sequence[ReviewRequest], revision: int) -> None:
        """Read the examples that requests name; an earlier decision on one doesn't prove that it still exists."""
        if missing := {request.example for request in requests} - self._originals.keys():
            self._originals |= self._stores.contents.originals(self.tenant, self.name, revision, missing)

    def _plan(self, requests: Sequence[ReviewRequest], *, all_exist: bool) -> tuple[list[Review], list[Refusal]]:
        """The new reviews to store, and the refusals; a request that leads to neither is stored already."""
        new: dict[str, list[Review]] = {}
        refused = []
        for request in requests:
            if not all_exist and request.example not in self._originals:
                refused.append(_unknown(request))
                continue
            history = [*self._histories.get(request.example, []), *new.get(request.example, [])]
            version = history[-1].number if history else 0
            review = self._review_for(request)
            if request.version == version:
                new.setdefault(request.example, []).append(review)
            elif not any(map(review.says, history)):
                refused.append(_stale(request, version))
        return [review for reviews in new.values() for review in reviews], refused

    def _review_for(self, request: ReviewRequest) -> Review:
        """The review as it would be stored, with revision 0: storing it sets the revision that it makes."""
        line = _edited_line(self._originals[request.example], request.edit) if request.edit else None
        decision_fields = {name: getattr(request, name) for name in ("status", "quality", "category", "note")}
        return Review(request.example, request.version + 1, 0, self._reviewer, self._now, line=line, **decision_fields)

    def _store(self, reviews: Sequence[Review], dataset: Dataset) -> None:
        for batch in batches(reviews):
            reviewed = dataset.with_review(self._now)
            numbered = [review._replace(revision=reviewed.revision) for review in batch]
            self._stores.reviews.add(numbered, reviewed)
            for review in numbered:
                self._histories.setdefault(review.example, []).append(review)
            dataset = reviewed.model_copy(update={"seq": reviewed.seq + 1})
            self._read = self.revision = dataset.revision


def _has_change(hit: Hit, change: Change) -> bool:
    """Whether an example already has the status, quality and category of a change, so that nothing need be stored."""
    stored, decision = hit.stored, hit.decision
    return (
        change.status in (None, decision.status)
        and change.quality in (None, decision.quality_or(stored.quality))
        and change.category in (None, decision.category_or(stored.category))
    )


def _request(change: ExampleChange, place: int) -> ReviewRequest:
    edit = None if change.content is None else _read_edit(change.content, f"reviews[{place}].content")
    decision_fields = change.model_dump(exclude={"example", "version", "content"})
    return ReviewRequest(change.example, change.version, edit=edit, **decision_fields)


def _read_edit(content: dict[str, Any], place: str) -> Example:
    """The example that an edit's content makes; InvalidInput or TooLarge, naming its place in the call, if it can't.

    An edit changes the content only, and category and quality beside it: subject, source and time stay the original's.
    """
    if ours := next((name for name in OWN_FIELDS if content.get(name) is not None), None):
        rule = "An edit holds an example's content alone; `category` and `quality` stand beside it."
        raise InvalidInput(rule, param=f"{place}.{ours}", code="invalid_field")
    example = isolate_line(0, _read_storable, content, log=log_failure)
    if not isinstance(example, Example):
        problem = example[0]
        raise InvalidInput(problem.message, param=f"{place}{problem.path.removeprefix('$')}", code=problem.code)
    if len(canonical(example.content).encode()) > EDIT_BYTES:
        raise TooLarge(f"An edited example may have {EDIT_BYTES:,} bytes at most.", param=place)
    return example


def _read_storable(content: dict[str, Any]) -> Example | list[Problem]:
    """The example that a content makes, or its problems."""
    example = read_example(content, 0)
    if isinstance(example, Example):
        line_of(example)  # raises if the example can't be encoded as a stored line; `isolate_line` makes that a problem
    return example


def _edited_line(original: Stored, edit: Example) -> str:
    """The stored line of an edited example: the new content with the original's id, subject, source and time."""
    return line_of(original.example.model_copy(update={"content": edit.content})).text.decode()


def _unknown(request: ReviewRequest) -> Refusal:
    return Refusal(example=request.example, code=NotFound.code, message="The dataset has no such example.")


def _stale(request: ReviewRequest, version: int) -> Refusal:
    why = "Somebody decided on it meanwhile" if request.version < version else "Nobody decided on it so often"
    message = f"{why}: it has version {version}, not {request.version}. Look at it again."
    return Refusal(example=request.example, code=Stale.code, message=message, version=version)


def _error_of(refusal: Refusal) -> NotFound | Stale:
    kind = NotFound if refusal.code == NotFound.code else Stale
    return kind(refusal.message, param="reviews[0]")
