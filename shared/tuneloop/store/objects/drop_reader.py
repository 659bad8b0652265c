"""Reading a drop: the lines of a file or a post become examples, or problems that the sender finds by their line."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from tuneloop.domain.chat.examples import Example, Problem
from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.limits import PROBLEMS_KEPT
from tuneloop.domain.datasets.csv_reader import Unreadable
from tuneloop.domain.datasets.datasets import OnInvalid
from tuneloop.domain.datasets.drops import Drop, DropStatus
from tuneloop.domain.datasets.file_diagnosis import is_no_row, problem_of_file
from tuneloop.domain.datasets.records import Record
from tuneloop.observability import count, log_failure
from tuneloop.store.objects.segments import EncodedLine, line_of
from tuneloop.validation.line_parser import isolate_line

Clock = Callable[[], datetime]
Lines = Iterable[bytes | None]
Records = Callable[[Lines], Iterator[Record]]
Read = Callable[[Record], Example | list[Problem]]
EMPTY = Problem(line=0, path="$", code="empty_file", message="The file has no lines: nothing can be learnt from it.")
# Failures of our own code that are logged for one file. Each has a trace of its own, and ten show whether there is one
# bug or several; a file may have a million lines that fail alike, and logging each would cost more than the file.
FAILURES_LOGGED = 10
TOO_SLOW = "Reading came this far in the time that there is. Drop the file in parts."


class DropReader:
    """One pass over a drop's records: counts its examples, keeps the problems, and decides whether any may be added."""

    def __init__(self, on_invalid: OnInvalid, clock: Clock, ends: datetime | None = None) -> None:
        self.lines = 0
        self.examples = self.pairs = self.failures = 0
        self.problem_count = 0
        self.problems: list[Problem] = []
        self._skips = on_invalid == OnInvalid.SKIP
        self._clock, self._ends = clock, ends
        self._at = 0
        self._has_rows = False
        self._is_whole = True

    @property
    def is_usable(self) -> bool:
        """Whether the examples read so far may be added: the file is readable, and each bad line may be skipped."""
        return self._is_whole and (self._skips or not self.problem_count)

    def lines_of(self, lines: Lines, records: Records, read: Read) -> Iterator[EncodedLine]:
        """The examples in a file's lines as they are stored; reading may end before the file does.

        A line that is too long comes as None. A line whose processing fails is a problem of that line, and of no other.
        """
        try:
            for record in records(self._timed(lines)):
                self.lines += 1
                line = isolate_line(record.line, self._encode, record, read, log=self._log)
                if isinstance(line, EncodedLine):
                    self.examples += 1
                    self.pairs += line.is_pair
                    yield line
                else:
                    self.problem_count += len(line)
                    self._has_rows = self._has_rows or not is_no_row(line[0])
                    self.problems += line[: PROBLEMS_KEPT - len(self.problems)]
        except Unreadable as error:
            self._end_early(error.problem)
        except (InvalidInput, TooLarge) as error:
            self._end_early(Problem(line=self._at, path="$", code=error.code, message=error.message))
        if not self.lines and self._is_whole:
            self._end_early(EMPTY)
        if self.lines > 1 and not (self.examples or self._has_rows) and (problem := problem_of_file(self.problems)):
            self.problems[0] = problem  # what stands on its first line says less

    def finished_drop(self, drop: Drop, now: datetime) -> Drop:
        """The drop after it was read, its examples added if any may be."""
        added = self.examples if self.is_usable else 0
        return drop.model_copy(
            update={
                "status": DropStatus.COLLECTED if added else DropStatus.REJECTED,
                "lines": self.lines,
                "examples": added,
                "problem_count": self.problem_count,
                "problems": self.problems,
                "finished_at": now,
            }
        )

    def _encode(self, record: Record, read: Read) -> EncodedLine | list[Problem]:
        """A record's example as it is stored, or its problems."""
        example = read(record)
        return line_of(example) if isinstance(example, Example) else example

    def _log(self, error: Exception) -> None:
        """Log a failure of our own code, if it is one of the first `FAILURES_LOGGED`."""
        self.failures += 1
        if self.failures <= FAILURES_LOGGED:
            log_failure(error)

    def _timed(self, lines: Lines) -> Iterator[bytes | None]:
        """The lines, counted; TooLarge as soon as the time is over."""
        for self._at, line in enumerate(lines, start=1):
            if self._ends and self._clock() > self._ends:
                raise TooLarge(TOO_SLOW, code="took_too_long")
            yield line

    def _end_early(self, problem: Problem) -> None:
        """Put the reason why the file can't be used first among its problems: its sender has to act on that one."""
        self._is_whole = False
        self.problem_count += 1
        self.problems = [problem, *self.problems][:PROBLEMS_KEPT]


def count_drop(drop: Drop) -> None:
    """Count a drop that has ended, as collected or rejected (metrics `DropsCollected`, `DropsRejected`)."""
    count("DropsCollected" if drop.status == DropStatus.COLLECTED else "DropsRejected")
