"""Judging: what feedback made is approved where it is trusted, and given back to review where it is contradicted.

A judgement is a review like a person's, with what decided as its reviewer, and never goes over a person's. It is told
by all votes on a prompt, so a message that comes twice, late or in another order ends in the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Review, Status
from tuneloop.domain.datasets.votes import ReviewSource, Vote, verdict
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.reviews import Reviews, batches
from tuneloop.store.repositories.votes import Votes
from tuneloop.store.retry import retry_stale

JUDGES = frozenset(ReviewSource)
Decisions = dict[bytes, Decision]
Ballot = Sequence[Vote]


@dataclass(frozen=True)
class JudgeFeedback:
    """Reviews the examples that feedback made by the votes on their prompts."""

    datasets: Datasets
    votes: Votes
    reviews: Reviews

    def judge(self, tenant: str, name: str, units: Iterable[str], now: datetime) -> int:
        """Review what was said about prompts of a dataset; returns how many examples stand otherwise now."""
        ballots: list[Ballot] = [self.votes.on(tenant, name, unit) for unit in sorted(set(units))]
        changed, is_over = 0, False

        def add_batch() -> tuple[int, bool]:
            """Add one reviewer's batch of the reviews that are due; Stale if the dataset changed in between."""
            return self._add_batch(tenant, name, ballots, now)

        while not is_over:
            added, is_over = retry_stale(add_batch, f"Dataset {name}")
            changed += added
        return changed

    def _add_batch(self, tenant: str, name: str, ballots: list[Ballot], now: datetime) -> tuple[int, bool]:
        """Add one reviewer's batch of the reviews that are due; returns its size and whether none is due any more."""
        dataset = self.datasets.get(tenant, name)
        decisions = self.reviews.decisions(tenant, name, dataset.revision)
        grown = dataset.with_review(now)
        due = [review for ballot in ballots for review in _reviews(ballot, dataset, decisions, grown.revision, now)]
        if not due:
            return 0, True
        batch = next(batches([review for review in due if review.reviewer == due[0].reviewer]))
        self.reviews.add(batch, grown)
        return len(batch), len(batch) == len(due)


def _reviews(ballot: Ballot, dataset: Dataset, decisions: Decisions, revision: int, now: datetime) -> Iterator[Review]:
    """The reviews after which the examples of one prompt's votes stand as its verdict says."""
    decided = verdict(ballot, dataset.trust, dataset.trusted_subjects)
    winners = {
        example: vote for vote in ballot if decided and vote.answer == decided.answer for example in vote.examples
    }
    named = ((example, vote) for vote in ballot for example in (*vote.withdrawn, *vote.examples))
    losers = {example: vote for example, vote in named if example not in winners}
    for example, vote in sorted((winners | losers).items()):
        before = decisions.get(example.encode(), UNDECIDED)
        by_person = before.reviewer is not None and before.reviewer not in JUDGES
        status = Status.APPROVED if example in winners else Status.UNREVIEWED
        if by_person or before.status == status:
            continue
        reviewer = decided.judge if decided and example in winners else ReviewSource.CONTRADICTED
        yield Review(example, before.number + 1, revision, reviewer, now, status=status, note=vote.inference)
