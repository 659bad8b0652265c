"""Trust: whose corrections are trained on unseen, and what goes to review.

Each subject has one vote on what is the right answer to a prompt: his last. A verdict looks at all votes on one prompt,
so it doesn't depend on their order; where trusted subjects, or all who voted, contradict each other, nobody wins.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, digest
from tuneloop.domain.core.subjects import hash_of_subject, user_hash

AGREEING = 2
MOST_EXAMPLES = 100


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
    """What one subject last said is right: the answer's hash, and the examples that say so.

    `withdrawn` are those that he said before. Of the subject only a hash is kept; where nobody says who he is, the
    inference has the vote, and agrees with nobody.
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
        said, examples = [*before.withdrawn, *before.examples], self.examples
        if before.answer == self.answer:
            examples = list(dict.fromkeys((*before.examples, *self.examples)))[-MOST_EXAMPLES:]
        withdrawn = [each for each in said if each not in examples][-MOST_EXAMPLES:]
        return self.model_copy(update={"examples": examples, "withdrawn": withdrawn, "seq": before.seq})


class VoteVerdict(BaseModel):
    """The answer that is approved and by what; None where a reviewer has to decide."""

    answer: str
    judge: ReviewSource


def voter_of(tenant: str, subject: str) -> str:
    """A subject as his votes name him: the same whether he is named or known by his answers' ids alone."""
    return hash_of_subject(subject) or user_hash(tenant, subject)


def anonymous_voter(inference: str) -> str:
    """The voter of an answer whose user is not known."""
    return digest("voter", inference)[:24]


def verdict(votes: Sequence[Vote], trust: TrustPolicy, trusted: Iterable[str]) -> VoteVerdict | None:
    """What the votes on one prompt, at most one of each subject, come to."""
    names = {voter_of(vote.tenant, subject) for vote in votes[:1] for subject in trusted}
    by_trusted = [vote for vote in votes if vote.is_subject and vote.voter in names]
    if found := _one_answer(by_trusted):
        return VoteVerdict(answer=found, judge=ReviewSource.TRUSTED)
    if trust == TrustPolicy.TRUSTED_SUBJECTS or by_trusted:
        return None
    if (found := _one_answer(votes)) is None:
        return None
    if trust == TrustPolicy.ALL:
        return VoteVerdict(answer=found, judge=ReviewSource.ALL)
    known = sum(vote.is_subject for vote in votes)
    return VoteVerdict(answer=found, judge=ReviewSource.AGREEMENT) if known >= AGREEING else None


def _one_answer(votes: Sequence[Vote]) -> str | None:
    answers = {vote.answer for vote in votes}
    return answers.pop() if len(answers) == 1 else None
