"""The policy's filters, which decide about each example by itself, and the least length of an example.

A freeze applies these filters, and before a freeze statistics, eligibility and estimates do. So the examples reported
as usable are those that a freeze would take, before duplicates, conflicts and grouping are looked at. The least length
depends on all examples: the policy sets it, or else it follows from what the examples look like.
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
from tuneloop.domain.exports.example_hashes import canonical_answer
from tuneloop.domain.exports.exclusions import exclusions_of

# A closed set of answers is what a classifier has: at most 200, each seen twice on average. OpenAI's and our trainer's
# classification examples all fit; 200 answers still fit into the base model's prompt.
MOST_CLOSED_ANSWERS = 200
FEWEST_PER_ANSWER = 2


class Candidate(NamedTuple):
    """The fields of an example that the filters read; `created_at` is UTC with microseconds, so texts sort as times."""

    status: Status = Status.UNREVIEWED
    split: str | None = None
    category: str | None = None
    source: str | None = None
    quality: float | None = None
    created_at: str | None = None


def example_filter(policy: Policy) -> Callable[[Candidate], Outcome]:
    """Return a function that gives the outcome of the first filter that an example fails, or TRAIN if it passes all.

    Examples that the user marked as test are filtered by status and category alone; the other filters are about the
    quality of training data.
    """
    first, last = (
        moment.isoformat(timespec="microseconds") if moment else ""
        for moment in (policy.created_from, policy.created_to)
    )
    categories, least_quality, validated_only = policy.categories, policy.min_quality, policy.validated_only

    def outcome_of(example: Candidate) -> Outcome:
        """The outcome of an example by the policy alone: TRAIN, or the first reason to leave it out."""
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
        if (first or last) and not _is_created_between(created_at or "", first, last):
            return Outcome.OTHER_TIME
        return Outcome.LOW_QUALITY if quality is not None and quality < least_quality else Outcome.TRAIN

    return outcome_of


def _is_created_between(created: str, first: str, last: str) -> bool:
    return bool(created) and first <= created and (not last or created < last)


def is_closed_set(answers: int, examples: int) -> bool:
    """Whether `answers` different answers of `examples` examples are a closed set, like the classes of a classifier."""
    return 0 < answers <= MOST_CLOSED_ANSWERS and examples >= FEWEST_PER_ANSWER * answers


class LengthBasis(StrEnum):
    """The source of the least length of an example."""

    POLICY = "policy"
    DEFAULT = "default"
    CLOSED_ANSWERS = "closed_answers"
    SHORT_MESSAGES = "short_messages"


class LengthLimit(NamedTuple):
    """The least number of characters that the users of an example must say in all, and the source of that limit."""

    characters: int
    basis: LengthBasis

    @property
    def note(self) -> str | None:
        """The sentence for the user if the data, and not the policy, has turned the limit off; else None."""
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
    """The least length for `examples` examples with `answers` different answers.

    `lengths` is how many examples the limit applies to, and `short` how many of them are below the default. By rules 2,
    datasets of short chats have no limit: if half of the examples or more were below it, it would leave out the very
    thing that the dataset is about. By rules 1 such chats were left out.
    """
    if policy.min_user_characters is not None:
        return LengthLimit(policy.min_user_characters, LengthBasis.POLICY)
    if is_closed_set(answers, examples):
        return LengthLimit(0, LengthBasis.CLOSED_ANSWERS)
    if rules > 1 and short and 2 * short >= lengths:
        return LengthLimit(0, LengthBasis.SHORT_MESSAGES)
    return LengthLimit(LEAST_CHARACTERS, LengthBasis.DEFAULT)


class LengthCheck:
    """Finds the lines of a file that an export would leave out as too short, in one pass and in bounded memory.

    Conversations and preference pairs are counted apart, as an export takes one of the two. Different answers are
    counted up to one more than a closed set may have, since a closed set has no least length.
    """

    def __init__(self, policy: Policy) -> None:
        least = policy.min_user_characters
        self._policy, self._least = policy, LEAST_CHARACTERS if least is None else least
        self._examples = [0, 0]
        self._short = (LineNotes(), LineNotes())
        self._answers: tuple[set[str], set[str]] = set(), set()

    def add(self, line: int, characters: int, answer: str | None, *, is_pair: bool) -> None:
        """Count a line; `answer` is None for a call of functions, and each such call counts as a different answer."""
        self._examples[is_pair] += 1
        if characters < self._least:
            self._short[is_pair].add(line)
        if len(self._answers[is_pair]) <= MOST_CLOSED_ANSWERS:
            text = f"call {line}" if answer is None else " ".join(canonical_answer(answer).split()).casefold()
            self._answers[is_pair].add(text)

    def include(self, other: "LengthCheck") -> None:
        """Add the counts of another part of the file."""
        for kind in (0, 1):
            self._examples[kind] += other._examples[kind]
            self._short[kind].include(other._short[kind])
            self._answers[kind].update(other._answers[kind])

    def warnings(self) -> list[FileWarning]:
        """The warnings about lines that an export would leave out as too short, in the export's words."""
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
