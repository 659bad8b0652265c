"""The report on a file, and the findings that it is made from.

Each process collects its own findings, which are added up at the end. What is kept is bounded, however long the file.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from sys import intern

from pydantic import BaseModel, Field

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.datasets.file_diagnosis import is_no_row, problem_of_file
from tuneloop.domain.datasets.file_warnings import AnswerLabels, Duplicates, FileWarning, Noted
from tuneloop.domain.datasets.policy import DEFAULT, LEAST_TRAINED, Policy
from tuneloop.domain.exports.exclusions import shortage
from tuneloop.domain.exports.policy_filter import Lengths
from tuneloop.validation.line_checks import CheckedLine

ERRORS_KEPT = 10_000  # bounds memory and JSON where every line of a long file is wrong; the others are counted
NOTES = ("over_limit", "without_system", "without_user", "broken_arguments", "unknown_functions")
EMPTY = "The file has no {}: nothing can be learnt from it."

# Line, path, code and message of a problem: a tenth of the memory of the `Problem`.
PackedProblem = tuple[int, str, str, str]


class TokenCounts(BaseModel):
    """Tokens of a file's valid lines: their sum, the longest line, and percentiles."""

    total: int = 0
    max: int = 0
    p50: int = 0
    p95: int = 0


class FileReport(BaseModel):
    """The report on a file; `broken` says why the file can't be used at all."""

    lines: int
    valid: int
    invalid: int
    errors: list[Problem]
    warnings: list[FileWarning]
    tokens: TokenCounts
    examples_over_limit: int
    broken: Problem | None = Field(default=None, exclude=True)


class Findings:
    """What one process, of this many, has found in its share of a file's lines so far."""

    def __init__(self, processes: int = 1, policy: Policy = DEFAULT) -> None:
        self.invalid = self.error_count = self.preferences = 0
        self.errors: list[PackedProblem] = []
        self.broken: Problem | None = None
        self.has_rows = False
        self.tokens: Counter[int] = Counter()
        self.answers, self.duplicates, self.lengths = AnswerLabels(), Duplicates(processes), Lengths(policy)
        self.over_limit, self.without_system, self.without_user = Noted(), Noted(), Noted()
        self.broken_arguments, self.unknown_functions = Noted(), Noted()

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
        """Count a line that can't be used, with its problems."""
        self.invalid += 1
        self.has_rows = self.has_rows or not is_no_row(problems[0])
        self.errors += map(_packed, problems[: ERRORS_KEPT - len(self.errors)])
        self.error_count += len(problems)

    def include(self, other: "Findings") -> None:
        """Add another process's findings, but for its duplicates, whose hashes come in portions."""
        self.invalid += other.invalid
        self.error_count += other.error_count
        self.preferences += other.preferences
        self.errors = sorted(self.errors + other.errors, key=lambda error: error[0])[:ERRORS_KEPT]
        self.broken = self.broken or other.broken
        self.has_rows = self.has_rows or other.has_rows
        self.tokens += other.tokens
        self.answers.include(other.answers)
        self.lengths.include(other.lengths)
        for name in NOTES:
            getattr(self, name).include(getattr(other, name))

    def report(self, token_limit: int, unit: str = "lines") -> FileReport:
        """The report on all lines that were counted; `unit` is what the file is made of (lines, records)."""
        valid = self.tokens.total()
        lines = valid + self.invalid
        errors = list(map(_problem, self.errors))
        broken = self.broken
        if not broken and not lines:
            broken = Problem(line=0, path="$", code="empty_file", message=EMPTY.format(unit))
        if broken:
            errors = [broken, *errors][:ERRORS_KEPT]
        elif not valid and not self.has_rows:  # which the errors of the lines say already, one by one
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
            kept = f"Only the first {ERRORS_KEPT:,} of {self.error_count:,} errors are listed."
            yield FileWarning(code="more_errors", message=kept, count=self.error_count - ERRORS_KEPT, lines=[])
        if 0 < valid < LEAST_TRAINED:
            few = f"{shortage(LEAST_TRAINED, valid)} OpenAI trains well on 50 to 100."
            yield FileWarning(code="too_few_examples", message=few, count=valid, lines=[])
        if 0 < self.preferences < valid:
            mixed = "Some lines are preference pairs, the others supervised. A run learns from one of the two."
            yield FileWarning(code="mixed_formats", message=mixed, count=self.preferences, lines=[])
        cut = f"The example has more than {token_limit:,} tokens: what is beyond will be cut off, the answer first."
        yield from self.over_limit.warning("over_token_limit", cut)
        if self.without_system.count < valid:
            some = "Some examples have no system prompt, the others have one. Give all of them the one that is served."
            yield from self.without_system.warning("system_prompt_missing", some)
        nobody = "No message of the example is a user's, and users are who will ask. Add what the answer answers."
        yield from self.without_user.warning("no_user_message", nobody)
        yield from self.lengths.warnings()
        yield from self.answers.warnings()
        yield from self.duplicates.warnings(valid)
        unknown = "A function is called that is not in the example's `tools`. List in them what may be called."
        yield from self.unknown_functions.warning("unknown_function", unknown)
        broken = "The `arguments` of a call are not a JSON object, so the model learns to write such."
        yield from self.broken_arguments.warning("broken_arguments", broken)


def _packed(problem: Problem) -> PackedProblem:
    # Interned, as the same few paths, codes and messages come again and again.
    return problem.line, intern(problem.path), intern(problem.code), intern(problem.message)


def _problem(packed: PackedProblem) -> Problem:
    line, path, code, message = packed
    return Problem(line=line, path=path, code=code, message=message)


def token_counts(counts: Counter[int]) -> TokenCounts:
    """Sum, maximum and percentiles (nearest rank) of token counts; `counts` has how many examples have each."""
    ordered = sorted(counts.items())
    if not ordered:
        return TokenCounts()
    total = sum(tokens * times for tokens, times in ordered)
    return TokenCounts(total=total, max=ordered[-1][0], p50=_percentile(ordered, 50), p95=_percentile(ordered, 95))


def _percentile(ordered: list[tuple[int, int]], percent: int) -> int:
    ranks = list(accumulate(times for _, times in ordered))
    return ordered[bisect_left(ranks, percent * ranks[-1] / 100)][0]
