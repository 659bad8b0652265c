"""Judges examples of feedback: approves those that trusted votes agree on, unapproves those that are contradicted.

A judgement is a review like a person's, with the rule that decided as its reviewer; it never overrides a person's. All
votes on a prompt decide together, so messages that come twice, late or in another order lead to the same result.
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

AUTOMATIC_REVIEWERS = frozenset(ReviewSource)
Decisions = dict[bytes, Decision]
Ballot = Sequence[Vote]


@dataclass(frozen=True)
class JudgeFeedback:
    """Reviews the examples that feedback made, by the votes on their prompts."""

    datasets: Datasets
    votes: Votes
    reviews: Reviews

    def judge(self, tenant: str, name: str, units: Iterable[str], now: datetime) -> int:
        """Review the examples of a dataset's prompts (`units`, by hash) by their votes; returns how many changed."""
        ballots: list[Ballot] = [self.votes.on(tenant, name, unit) for unit in sorted(set(units))]
        changed, is_over = 0, False

        def add_batch() -> tuple[int, bool]:
            """Add the next batch of reviews; Stale if the dataset changed in between."""
            return self._add_batch(tenant, name, ballots, now)

        while not is_over:
            added, is_over = retry_stale(add_batch, f"Dataset {name}")
            changed += added
        return changed

    def _add_batch(self, tenant: str, name: str, ballots: list[Ballot], now: datetime) -> tuple[int, bool]:
        """Add one batch of the reviews that are due, of one reviewer; returns its size and whether it was the last."""
        dataset = self.datasets.get(tenant, name)
        decisions = self.reviews.decisions(tenant, name, dataset.revision)
        reviewed = dataset.with_review(now)
        due = [
            review for ballot in ballots for review in _due_reviews(ballot, dataset, decisions, reviewed.revision, now)
        ]
        if not due:
            return 0, True
        batch = next(batches([review for review in due if review.reviewer == due[0].reviewer]))
        self.reviews.add(batch, reviewed)
        return len(batch), len(batch) == len(due)


def _due_reviews(
    ballot: Ballot, dataset: Dataset, decisions: Decisions, revision: int, now: datetime
) -> Iterator[Review]:
    """The reviews that are still needed for the examples of one prompt to agree with the verdict of its votes."""
    prompt_verdict = verdict(ballot, dataset.trust, dataset.trusted_subjects)
    winners = {
        example: vote
        for vote in ballot
        if prompt_verdict and vote.answer == prompt_verdict.answer
        for example in vote.examples
    }
    examples = ((example, vote) for vote in ballot for example in (*vote.withdrawn, *vote.examples))
    losers = {example: vote for example, vote in examples if example not in winners}
    for example, vote in sorted((winners | losers).items()):
        decision = decisions.get(example.encode(), UNDECIDED)
        is_by_person = decision.reviewer is not None and decision.reviewer not in AUTOMATIC_REVIEWERS
        status = Status.APPROVED if example in winners else Status.UNREVIEWED
        if is_by_person or decision.status == status:
            continue
        reviewer = prompt_verdict.judge if prompt_verdict and example in winners else ReviewSource.CONTRADICTED
        yield Review(example, decision.number + 1, revision, reviewer, now, status=status, note=vote.inference)
