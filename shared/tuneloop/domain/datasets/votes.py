"""Votes: whose corrections are trained on without a review, and which go to a reviewer.

Each subject has one vote on the right answer to a prompt: the latest. A verdict looks at all votes on one prompt, so it
doesn't depend on their order; where trusted subjects, or all who voted, contradict each other, nobody wins.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, digest, hash_of_subject, user_hash

AGREEING = 2  # known subjects who must say the same where none is trusted: one alone could teach anything
MOST_EXAMPLES = 100  # kept of each kind in a vote's row, newest last: feedback may be sent again without end


class TrustPolicy(StrEnum):
    """Whose feedback is approved by itself: trusted subjects' and what two agree on, trusted ones' only, or all."""

    REVIEW = "review"
    TRUSTED_SUBJECTS = "trusted_subjects"
    ALL = "all"


class ReviewSource(StrEnum):
    """What approved an example where no person did; stands as its reviewer."""

    TRUSTED = "tuneloop:trusted-subject"
    AGREEMENT = "tuneloop:two-subjects-agree"
    ALL = "tuneloop:trust-all"
    CONTRADICTED = "tuneloop:contradicted"


class Vote(BaseModel):
    """A subject's latest answer for one prompt (`unit`), as a hash, with the examples that came from it.

    `withdrawn` are the examples of the subject's earlier answers. Of the subject only a hash is kept; where the subject
    isn't known, the inference has the vote, and agrees with nobody.
    """

    tenant: Name
    dataset: Name
    unit: str
    voter: str
    is_subject: bool
    answer: str
    examples: list[str]
    withdrawn: list[str] = []
    inference: str
    at: datetime
    seq: int = 0

    def instead_of(self, before: "Vote") -> "Vote":
        """This vote in the place of the same voter's one before, whose examples say the same or are withdrawn."""
        earlier, examples = [*before.withdrawn, *before.examples], self.examples
        if before.answer == self.answer:
            examples = list(dict.fromkeys((*before.examples, *self.examples)))[-MOST_EXAMPLES:]
        withdrawn = [example for example in earlier if example not in examples][-MOST_EXAMPLES:]
        return self.model_copy(update={"examples": examples, "withdrawn": withdrawn, "seq": before.seq})


class VoteVerdict(BaseModel):
    """The answer that is approved and by what; None where a reviewer has to decide."""

    answer: str
    judge: ReviewSource


def voter_of(tenant: str, subject: str) -> str:
    """The hash by which votes name a subject, equal whether he is named or known by his answers' ids alone."""
    return hash_of_subject(subject) or user_hash(tenant, subject)


def anonymous_voter(inference: str) -> str:
    """The voter of an answer whose user is not known."""
    return digest("voter", inference)[:24]


def verdict(votes: Sequence[Vote], trust: TrustPolicy, trusted: Iterable[str]) -> VoteVerdict | None:
    """The answer that the votes on one prompt approve; None where a reviewer has to decide.

    `votes` holds at most one vote of each subject.
    """
    names = {voter_of(vote.tenant, subject) for vote in votes[:1] for subject in trusted}
    by_trusted = [vote for vote in votes if vote.is_subject and vote.voter in names]
    if answer := _one_answer(by_trusted):
        return VoteVerdict(answer=answer, judge=ReviewSource.TRUSTED)
    if trust == TrustPolicy.TRUSTED_SUBJECTS or by_trusted:
        return None
    if (answer := _one_answer(votes)) is None:
        return None
    if trust == TrustPolicy.ALL:
        return VoteVerdict(answer=answer, judge=ReviewSource.ALL)
    subjects = sum(vote.is_subject for vote in votes)
    return VoteVerdict(answer=answer, judge=ReviewSource.AGREEMENT) if subjects >= AGREEING else None


def _one_answer(votes: Sequence[Vote]) -> str | None:
    answers = {vote.answer for vote in votes}
    return answers.pop() if len(answers) == 1 else None
