"""Judging: what feedback made is approved where it is trusted, and given back to review where it is contradicted.

A judgement is a review like a person's, with what decided as its reviewer, and never goes over a person's. It is told
by all votes on a prompt, so a message that comes twice, late or in another order ends in the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, Status
from tuneloop.domain.datasets.votes import ReviewSource, Vote, verdict
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.reviews import Reviews, batches
from tuneloop.store.repositories.votes import Votes

TRIES = 10
JUDGES = frozenset(ReviewSource)
Decisions = dict[bytes, Decision]


def apply_votes(
    tenant: str, name: str, units: Iterable[str], *, datasets: Datasets, votes: Votes, reviews: Reviews, now: datetime
) -> int:
    """Review what was said about prompts of a dataset; tells how many examples stand otherwise now."""
    ballots = [votes.on(tenant, name, unit) for unit in sorted(set(units))]
    for _ in range(TRIES):
        dataset = datasets.get(tenant, name)
        known = reviews.decisions(tenant, name, dataset.revision)
        changed = dataset.with_review(now)
        wanted = [review for ballot in ballots for review in _reviews(ballot, dataset, known, changed.revision, now)]
        by_judge = {review.reviewer: [each for each in wanted if each.reviewer == review.reviewer] for review in wanted}
        if not by_judge:
            return 0
        first = next(batches(next(iter(by_judge.values()))))
        try:
            reviews.add(first, changed)
        except Stale:  # something else changed the dataset in between
            continue
        if len(first) == len(wanted):
            return len(wanted)
        return len(first) + apply_votes(tenant, name, units, datasets=datasets, votes=votes, reviews=reviews, now=now)
    raise Stale(f"Dataset {name} is changing too fast to review feedback; try again.")


def _reviews(
    ballot: Sequence[Vote], dataset: Dataset, known: Decisions, revision: int, now: datetime
) -> Iterator[Review]:
    """What has to be decided so that the examples of one prompt's votes stand as its verdict says."""
    found = verdict(ballot, dataset.trust, dataset.trusted_subjects)
    winners = {example: vote for vote in ballot if found and vote.answer == found.answer for example in vote.examples}
    said = ((example, vote) for vote in ballot for example in (*vote.withdrawn, *vote.examples))
    losers = {example: vote for example, vote in said if example not in winners}
    for example, vote in sorted((winners | losers).items()):
        before = known.get(example.encode(), UNDECIDED)
        by_person = before.reviewer is not None and before.reviewer not in JUDGES
        status = Status.APPROVED if example in winners else Status.UNREVIEWED
        if by_person or before.status == status:
            continue
        judged = found.judge if found and example in winners else ReviewSource.CONTRADICTED
        yield Review(example, before.number + 1, revision, judged, now, status=status, note=vote.inference)
