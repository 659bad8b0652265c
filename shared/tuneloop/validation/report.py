"""The report on a file, and the findings from which it is made.

Each process collects findings of its own, and they are added up at the end. Their size is bounded, however long the
file is.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from sys import intern

from pydantic import BaseModel, Field

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.datasets.file_diagnosis import is_no_row, problem_of_file
from tuneloop.domain.datasets.file_warnings import AnswerLabels, Duplicates, FileWarning, LineNotes
from tuneloop.domain.datasets.policy import DEFAULT, LEAST_TRAINED, Policy
from tuneloop.domain.exports.exclusions import shortage
from tuneloop.domain.exports.policy_filter import LengthCheck
from tuneloop.validation.line_checks import CheckedLine

ERRORS_KEPT = 10_000  # bounds memory and JSON if every line of a long file is invalid; further errors are counted
NOTE_NAMES = ("over_limit", "without_system", "without_user", "broken_arguments", "unknown_functions")
EMPTY_FILE_MESSAGE = "The file has no {}: nothing can be learnt from it."

# Line, path, code and message of a problem, in a tenth of the memory of a `Problem`.
PackedProblem = tuple[int, str, str, str]


class TokenCounts(BaseModel):
    """Tokens of a file's valid lines: their sum, maximum and percentiles."""

    total: int = 0
    max: int = 0
    p50: int = 0
    p95: int = 0


class FileReport(BaseModel):
    """The report on a file; `broken` is the problem that makes the whole file unusable, if there is one."""

    lines: int
    valid: int
    invalid: int
    errors: list[Problem]
    warnings: list[FileWarning]
    tokens: TokenCounts
    examples_over_limit: int
    broken: Problem | None = Field(default=None, exclude=True)


class Findings:
    """The findings of one process, of this many, in its share of a file's lines."""

    def __init__(self, processes: int = 1, policy: Policy = DEFAULT) -> None:
        self.invalid = self.error_count = self.preferences = 0
        self.errors: list[PackedProblem] = []
        self.broken: Problem | None = None
        self.has_rows = False
        self.tokens: Counter[int] = Counter()
        self.answers, self.duplicates, self.lengths = AnswerLabels(), Duplicates(processes), LengthCheck(policy)
        self.over_limit, self.without_system, self.without_user = LineNotes(), LineNotes(), LineNotes()
        self.broken_arguments, self.unknown_functions = LineNotes(), LineNotes()

    def add(self, line: int, checked: CheckedLine, token_limit: int) -> None:
        """Count a valid line."""
        self.tokens[checked.tokens] += 1
        self.preferences += checked.is_preference
        self.lengths.add(line, checked.characters or 0, checked.answer, is_pair=checked.is_preference)
        self.duplicates.add(line, checked.content)
        if checked.answer is not None:
            self.answers.add(line, checked.answer)
        if checked.tokens > token_limit:
            self.over_limit.add(line)
        if not checked.has_system:
            self.without_system.add(line)
        if checked.characters is None:
            self.without_user.add(line)
        if checked.has_broken_arguments:
            self.broken_arguments.add(line)
        if checked.calls_unknown:
            self.unknown_functions.add(line)

    def refuse(self, problems: list[Problem]) -> None:
        """Count an invalid line with its problems."""
        self.invalid += 1
        self.has_rows = self.has_rows or not is_no_row(problems[0])
        self.errors += map(_pack, problems[: ERRORS_KEPT - len(self.errors)])
        self.error_count += len(problems)

    def include(self, other: "Findings") -> None:
        """Add another process's findings, except for its duplicates, whose hashes are sent in portions."""
        self.invalid += other.invalid
        self.error_count += other.error_count
        self.preferences += other.preferences
        self.errors = sorted(self.errors + other.errors, key=lambda error: error[0])[:ERRORS_KEPT]
        self.broken = self.broken or other.broken
        self.has_rows = self.has_rows or other.has_rows
        self.tokens += other.tokens
        self.answers.include(other.answers)
        self.lengths.include(other.lengths)
        for name in NOTE_NAMES:
            getattr(self, name).include(getattr(other, name))

    def report(self, token_limit: int, unit: str = "lines") -> FileReport:
        """The report on all counted lines; `unit` is what the file consists of (`lines` or `records`)."""
        valid = self.tokens.total()
        lines = valid + self.invalid
        errors = list(map(_unpack, self.errors))
        broken = self.broken
        if not broken and not lines:
            broken = Problem(line=0, path="$", code="empty_file", message=EMPTY_FILE_MESSAGE.format(unit))
        if broken:
            errors = [broken, *errors][:ERRORS_KEPT]
        elif not valid and not self.has_rows:  # no line is a row at all, so the file itself is wrong
            broken = problem_of_file(errors) if unit == "lines" else errors[0]
        return FileReport(
            lines=lines,
            valid=valid,
            invalid=self.invalid,
            errors=errors,
            warnings=list(self._warnings(valid, token_limit)),
            tokens=token_counts(self.tokens),
            examples_over_limit=self.over_limit.count,
            broken=broken,
        )

    def _warnings(self, valid: int, token_limit: int) -> Iterator[FileWarning]:
        if self.error_count > ERRORS_KEPT:
            message = f"Only the first {ERRORS_KEPT:,} of {self.error_count:,} errors are listed."
            yield FileWarning(code="more_errors", message=message, count=self.error_count - ERRORS_KEPT, lines=[])
        if 0 < valid < LEAST_TRAINED:
            message = f"{shortage(LEAST_TRAINED, valid)} OpenAI trains well on 50 to 100."
            yield FileWarning(code="too_few_examples", message=message, count=valid, lines=[])
        if 0 < self.preferences < valid:
            message = "Some lines are preference pairs, the others supervised. A run learns from one of the two."
            yield FileWarning(code="mixed_formats", message=message, count=self.preferences, lines=[])
        message = f"The example has more than {token_limit:,} tokens: what is beyond will be cut off, the answer first."
        yield from self.over_limit.warning("over_token_limit", message)
        if self.without_system.count < valid:
            message = (
                "Some examples have no system prompt, the others have one. Give all of them the one that is served."
            )
            yield from self.without_system.warning("system_prompt_missing", message)
        message = "No message of the example is a user's, and users are who will ask. Add what the answer answers."
        yield from self.without_user.warning("no_user_message", message)
        yield from self.lengths.warnings()
        yield from self.answers.warnings()
        yield from self.duplicates.warnings(valid)
        message = "A function is called that is not in the example's `tools`. List in them what may be called."
        yield from self.unknown_functions.warning("unknown_function", message)
        message = "The `arguments` of a call are not a JSON object, so the model learns to write such."
        yield from self.broken_arguments.warning("broken_arguments", message)


def _pack(problem: Problem) -> PackedProblem:
    # Interned to save memory: a file's problems repeat a few paths, codes and messages.
    return problem.line, intern(problem.path), intern(problem.code), intern(problem.message)


def _unpack(packed: PackedProblem) -> Problem:
    line, path, code, message = packed
    return Problem(line=line, path=path, code=code, message=message)


def token_counts(counts: Counter[int]) -> TokenCounts:
    """Sum, maximum and percentiles (nearest rank) of tokens; `counts` is the number of examples by their tokens."""
    ordered = sorted(counts.items())
    if not ordered:
        return TokenCounts()
    total = sum(tokens * examples for tokens, examples in ordered)
    return TokenCounts(total=total, max=ordered[-1][0], p50=_percentile(ordered, 50), p95=_percentile(ordered, 95))


def _percentile(ordered: list[tuple[int, int]], percent: int) -> int:
    ranks = list(accumulate(examples for _, examples in ordered))
    return ordered[bisect_left(ranks, percent * ranks[-1] / 100)][0]
