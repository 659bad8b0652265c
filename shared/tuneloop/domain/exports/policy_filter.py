"""Filters: what a policy says of each example by itself, decided in one place for all who ask.

A freeze asks it, and before there is one statistics, eligibility and estimates do, so that what is told to be usable is
what a freeze would take but for duplicates, conflicts and what has to stay together. What decides on the least length
depends on all examples: the policy, or else what they look like.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.policy import LEAST_CHARACTERS, Policy
from tuneloop.domain.datasets.reviews import Status
from tuneloop.domain.exports.columns import Outcome

# A closed set of answers is what a classifier has: at most so many, each seen this often on average. OpenAI's and our
# trainer's classification examples all fit; 200 answers still fit into the base model's prompt.
MOST_CLOSED_ANSWERS = 200
FEWEST_PER_ANSWER = 2


class Candidate(NamedTuple):
    """What the filters look at of one example; `created_at` is UTC with microseconds, so that texts sort as times."""

    status: Status = Status.UNREVIEWED
    split: str | None = None
    category: str | None = None
    source: str | None = None
    quality: float | None = None
    created_at: str | None = None


def example_filter(policy: Policy) -> Callable[[Candidate], Outcome]:
    """A function that gives the first filter which an example doesn't pass, or TRAIN where it passes all.

    A test of the user's own is measured by status and category alone: the rest is about what is learnt.
    """
    first, last = (
        moment.isoformat(timespec="microseconds") if moment else ""
        for moment in (policy.created_from, policy.created_to)
    )
    categories, least_quality, validated_only = policy.categories, policy.min_quality, policy.validated_only

    def outcome_of(example: Candidate) -> Outcome:
        status, split, category, source, quality, created_at = example
        if status == Status.REJECTED:
            return Outcome.REJECTED
        is_other = bool(categories) and category not in (categories or ())
        if split == Split.TEST:
            return Outcome.OTHER_CATEGORY if is_other else Outcome.TRAIN
        if (validated_only or source in FEEDBACK) and status != Status.APPROVED:
            return Outcome.NOT_APPROVED
        if is_other:
            return Outcome.OTHER_CATEGORY
        if (first or last) and not _came_within(created_at or "", first, last):
            return Outcome.OTHER_TIME
        return Outcome.LOW_QUALITY if quality is not None and quality < least_quality else Outcome.TRAIN

    return outcome_of


def _came_within(created: str, first: str, last: str) -> bool:
    return bool(created) and first <= created and (not last or created < last)


def is_closed(answers: int, examples: int) -> bool:
    """Whether so many different answers of so many examples are a closed set, as the classes of a classifier are."""
    return 0 < answers <= MOST_CLOSED_ANSWERS and examples >= FEWEST_PER_ANSWER * answers


class LengthBasis(StrEnum):
    """What the least length of an example comes from."""

    POLICY = "policy"
    DEFAULT = "default"
    CLOSED_ANSWERS = "closed_answers"
    SHORT_MESSAGES = "short_messages"


class LengthLimit(NamedTuple):
    """How many characters users must say in all for an example to be taken, and what that comes from."""

    characters: int
    basis: LengthBasis

    @property
    def note(self) -> str | None:
        """What there is to know where the data, and not the policy, has turned the limit off."""
        return LENGTH_NOTES.get(self.basis)


LENGTH_NOTES = {
    LengthBasis.CLOSED_ANSWERS: (
        "No example is left out for its length, as the answers are a closed set; set min_user_characters to do so."
    ),
    LengthBasis.SHORT_MESSAGES: (
        "No example is left out for its length, as the median of what users say is below "
        f"{LEAST_CHARACTERS} characters; set min_user_characters to do so."
    ),
}


def length_limit(policy: Policy, *, answers: int, lengths: int, short: int, examples: int, rules: int) -> LengthLimit:
    """The least length of `examples` with so many different `answers`; of `lengths` that count, `short` are below it.

    By rules 2 short chats count: where half of all examples or more are below the limit, it would leave out what the
    dataset is about and not what is odd in it. By rules 1 they were left out.
    """
    if policy.min_user_characters is not None:
        return LengthLimit(policy.min_user_characters, LengthBasis.POLICY)
    if is_closed(answers, examples):
        return LengthLimit(0, LengthBasis.CLOSED_ANSWERS)
    if rules > 1 and short and 2 * short >= lengths:
        return LengthLimit(0, LengthBasis.SHORT_MESSAGES)
    return LengthLimit(LEAST_CHARACTERS, LengthBasis.DEFAULT)
