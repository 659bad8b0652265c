"""The policy's filters: what a policy says of each example by itself, decided in one place for all who ask.

A freeze asks them, and before there is one statistics, eligibility and estimates do, so that what is told to be usable
is what a freeze would take but for duplicates, conflicts and what has to stay together. The least length depends on all
examples: the policy sets it, or else it follows from what they look like.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.file_warnings import FileWarning, LineNotes
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.policy import LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.datasets.reviews import Status
from tuneloop.domain.exports.columns import Outcome
from tuneloop.domain.exports.example_hashes import as_one_text
from tuneloop.domain.exports.exclusions import exclusions_of

# A closed set of answers is what a classifier has: at most so many, each seen this often on average. OpenAI's and our
# trainer's classification examples all fit; 200 answers still fit into the base model's prompt.
MOST_CLOSED_ANSWERS = 200
FEWEST_PER_ANSWER = 2


class Candidate(NamedTuple):
    """One example as the filters look at it; `created_at` is UTC with microseconds, so that texts sort as times."""

    status: Status = Status.UNREVIEWED
    split: str | None = None
    category: str | None = None
    source: str | None = None
    quality: float | None = None
    created_at: str | None = None


def example_filter(policy: Policy) -> Callable[[Candidate], Outcome]:
    """Return a function that names the first filter which an example doesn't pass, or TRAIN where it passes all.

    A test of the user's own is measured by status and category alone: the rest is about what is learnt.
    """
    first, last = (
        moment.isoformat(timespec="microseconds") if moment else ""
        for moment in (policy.created_from, policy.created_to)
    )
    categories, least_quality, validated_only = policy.categories, policy.min_quality, policy.validated_only

    def outcome_of(example: Candidate) -> Outcome:
        """Where an example goes by the policy alone: into training, or out for the first reason that holds."""
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
    """How many characters an example's users must say in all for it to be taken, and what that limit comes from."""

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


class Lengths:
    """Finds which lines of a file an export would leave out as too short, in one pass and in bounded memory.

    Conversations and preference pairs are looked at apart, as an export takes one of the two. Different answers are
    counted up to one more than a closed set may have, since a policy without a length takes a closed set whole.
    """

    def __init__(self, policy: Policy) -> None:
        least = policy.min_user_characters
        self._policy, self._least = policy, LEAST_CHARACTERS if least is None else least
        self._examples = [0, 0]
        self._short = (LineNotes(), LineNotes())
        self._answers: tuple[set[str], set[str]] = set(), set()

    def add(self, line: int, characters: int, answer: str | None, *, is_pair: bool) -> None:
        """Look at a line; `answer` is None where functions are called, each of which is taken for another one."""
        self._examples[is_pair] += 1
        if characters < self._least:
            self._short[is_pair].add(line)
        if len(self._answers[is_pair]) <= MOST_CLOSED_ANSWERS:
            text = f"call {line}" if answer is None else " ".join(as_one_text(answer).split()).casefold()
            self._answers[is_pair].add(text)

    def include(self, other: "Lengths") -> None:
        """Add what was seen of another part of the file."""
        for kind in (0, 1):
            self._examples[kind] += other._examples[kind]
            self._short[kind].include(other._short[kind])
            self._answers[kind].update(other._answers[kind])

    def warnings(self) -> list[FileWarning]:
        """The warnings that lines are too short, in the words of an export, if it would leave them out."""
        kind = self._policy.kind
        is_pair = not self._examples[0] if kind is None else kind == ExampleKind.PREFERENCE
        examples, short = self._examples[is_pair], self._short[is_pair]
        limit = length_limit(
            self._policy,
            answers=len(self._answers[is_pair]),
            lengths=examples,
            short=short.count,
            examples=examples,
            rules=LATEST_RULES,
        )
        if not limit.characters:
            return []
        left_out = {Outcome.TOO_SHORT.name.lower(): short.count}
        exclusions = exclusions_of(left_out, self._policy, characters=limit.characters)
        return [warning for exclusion in exclusions for warning in short.warning(exclusion.reason, exclusion.message)]
