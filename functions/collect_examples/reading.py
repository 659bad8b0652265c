"""Reading: one pass over a drop's lines, that finds what can be learnt from and says what is wrong with the rest."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import orjson

from tuneloop.domain.datasets import OnInvalid
from tuneloop.domain.errors import InvalidInput, TooLarge
from tuneloop.domain.examples import TOO_DEEP, Example, Problem, Split, read_example
from tuneloop.domain.limits import LINE_BYTES, LINE_PARTS, PROBLEMS_KEPT

Clock = Callable[[], datetime]
EMPTY = Problem(line=0, path="$", code="empty_file", message="The file has no lines: nothing can be learnt from it.")
TOO_SLOW = "Reading came this far in the time that there is. Drop the file in parts."
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Reading:
    """What was read so far, what was wrong, and whether any of it may be added to the dataset."""

    def __init__(self, split: Split | None, on_invalid: OnInvalid, clock: Clock, ends: datetime | None = None) -> None:
        self.lines = 0
        self.examples = 0
        self.problem_count = 0
        self.problems: list[Problem] = []
        self._split, self._skips = split, on_invalid == OnInvalid.SKIP
        self._clock, self._ends = clock, ends
        self._is_whole = True

    @property
    def is_usable(self) -> bool:
        """Whether what was read may be added: all of it was readable, and good but for what may be skipped."""
        return self._is_whole and (self._skips or not self.problem_count)

    def examples_of(self, lines: Iterable[bytes | None]) -> Iterator[Example]:
        """The examples among the lines, None being one that is too long; their end may lie before the file's."""
        for number, line in self._numbered(lines):
            if line is not None and not line.strip():
                continue
            self.lines += 1
            match _read(line, number, self._split):
                case Example() as example:
                    self.examples += 1
                    yield example
                case problems:
                    self.problem_count += len(problems)
                    self.problems += problems[: PROBLEMS_KEPT - len(self.problems)]
        if not self.lines and self._is_whole:
            self._end_early(EMPTY)

    def _numbered(self, lines: Iterable[bytes | None]) -> Iterator[tuple[int, bytes | None]]:
        """Each line with its number, the first without its byte order mark; ends where reading can't go on."""
        number = 0
        try:
            for number, line in enumerate(lines, start=1):
                if self._ends and self._clock() > self._ends:
                    self._end_early(Problem(line=number, path="$", code="took_too_long", message=TOO_SLOW))
                    return
                yield number, line.removeprefix(BYTE_ORDER_MARK) if line and number == 1 else line
        except (InvalidInput, TooLarge) as error:
            self._end_early(Problem(line=number, path="$", code=error.code, message=error.message))

    def _end_early(self, problem: Problem) -> None:
        """Note why the file can't be used at all; first, since this is what its user has to do something about."""
        self._is_whole = False
        self.problem_count += 1
        self.problems = [problem, *self.problems][:PROBLEMS_KEPT]


def _read(line: bytes | None, number: int, split: Split | None) -> Example | list[Problem]:
    if line is None:
        return _problem(number, "line_too_long", f"A line may have {LINE_BYTES >> 20} MiB at most.")
    if line.count(b"{") + line.count(b"[") > LINE_PARTS:
        return _problem(number, "too_many_parts", f"A line may hold `{{` and `[` {LINE_PARTS:,} times at most.")
    try:
        return read_example(orjson.loads(line), number, split)
    except orjson.JSONDecodeError as error:
        return _unparsed(line, number, error)


def _unparsed(line: bytes, number: int, error: orjson.JSONDecodeError) -> list[Problem]:
    try:
        line.decode()
    except UnicodeDecodeError as fault:
        message = f"Not UTF-8 at byte {fault.start + 1} of the line. Save the file as UTF-8."
        return _problem(number, "not_utf8", message)
    if "depth limit" in error.msg:
        return _problem(number, *TOO_DEEP[1:])
    return _problem(number, "invalid_json", f"Not valid JSON: {error.msg.split(':')[0]} at character {error.pos + 1}.")


def _problem(number: int, code: str, message: str) -> list[Problem]:
    return [Problem(line=number, path="$", code=code, message=message)]
