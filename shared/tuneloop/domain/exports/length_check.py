"""Lengths: which lines of a file an export would leave out as too short, found in one pass and in bounded memory."""

from tuneloop.domain.datasets.file_warnings import FileWarning, Noted
from tuneloop.domain.datasets.policy import LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.exports.columns import Outcome
from tuneloop.domain.exports.example_hashes import as_one_text
from tuneloop.domain.exports.exclusions import exclusions_of
from tuneloop.domain.exports.policy_filter import MOST_CLOSED_ANSWERS, length_limit


class Lengths:
    """How much users say in a file's lines, conversations and preference pairs apart: an export takes one of the two.

    As a policy that says nothing of it depends on whether the answers are a closed set, different ones are counted, up
    to one more than such a set may have.
    """

    def __init__(self, policy: Policy) -> None:
        least = policy.min_user_characters
        self._policy, self._least = policy, LEAST_CHARACTERS if least is None else least
        self._examples = [0, 0]
        self._short = (Noted(), Noted())
        self._answers: tuple[set[str], set[str]] = set(), set()

    def add(self, line: int, characters: int, answer: str | None, *, is_pair: bool) -> None:
        """Look at a line; `answer` is None where functions are called, each of which is taken for another one."""
        self._examples[is_pair] += 1
        if characters < self._least:
            self._short[is_pair].add(line)
        if len(self._answers[is_pair]) <= MOST_CLOSED_ANSWERS:
            said = f"call {line}" if answer is None else " ".join(as_one_text(answer).split()).casefold()
            self._answers[is_pair].add(said)

    def include(self, other: "Lengths") -> None:
        """Add what was seen of another part of the file."""
        for kind in (0, 1):
            self._examples[kind] += other._examples[kind]
            self._short[kind].include(other._short[kind])
            self._answers[kind].update(other._answers[kind])

    def warnings(self) -> list[FileWarning]:
        """That lines are too short, in the words of an export, if it would leave them out."""
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
        told = exclusions_of(left_out, self._policy, characters=limit.characters)
        return [warning for each in told for warning in short.warning(each.reason, each.message)]
