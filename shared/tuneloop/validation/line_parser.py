"""The line parser: the bytes of a line become a record with a row, or with the problem that makes it unreadable.

JSON that would take far more memory than its length, or that couldn't be written again, is refused before it is parsed.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import orjson

from tuneloop.domain.chat.examples import LONGEST_PATH, TOO_DEEP, Problem
from tuneloop.domain.core.json_values import find_flaw, read_whole
from tuneloop.domain.core.limits import LINE_BYTES, LINE_PARTS
from tuneloop.domain.datasets.csv_reader import Unreadable
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, CR_ENDS, has_cr_ends, problem_of_start
from tuneloop.domain.datasets.records import Record

NumberedLine = tuple[int, bytes | None]
T = TypeVar("T")
# Where a whole number of more than 64 bits may start, which orjson reads as a float: 2^63 has 19 digits.
_large_number = re.compile(rb"[\[:,\s-]\d{19}").search
# Errors of the process (out of memory, a file or module missing), which say nothing about the line. Another process may
# not have them, so they are left to the caller's retries. RecursionError isn't one: a line is too deep for all of them.
PROCESS_ERRORS = (MemoryError, OSError, ImportError)
TOO_LONG_MESSAGE = f"A line may have {LINE_BYTES >> 20} MiB at most."
ONE_LINE_HINT = " If the file has more lines than one, save it with LF at the end of each, and not CR alone."
UNREADABLE_MESSAGE = (
    "We could not process this line; that is our fault, not yours. Leave it out, and open an issue that describes its "
    "structure (not its content)."
)


def number_lines(lines: Iterable[bytes | None]) -> Iterator[NumberedLine]:
    """The lines of JSONL with their numbers from 1, without blank lines and byte order mark; None: a line too long.

    Raises Unreadable if the file doesn't start as UTF-8 text does.
    """
    has_started = False
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK) if line and number == 1 else line
        if text is None or (text and not text.isspace()):
            if not has_started and text and (problem := problem_of_start(text, number)):
                raise Unreadable(problem)
            has_started = True
            yield number, text


def json_records(lines: Iterable[bytes | None]) -> Iterator[Record]:
    """The records of JSONL, one per line that isn't blank; a record may hold a problem instead of a row."""
    return (record_of(line, number) for number, line in number_lines(lines))


def record_of(line: bytes | None, number: int) -> Record:
    """Parse a line (None: a line that is too long) as a record, which holds a problem if the line isn't valid JSON."""
    if line is None:
        return _problem(number, "line_too_long", TOO_LONG_MESSAGE + (ONE_LINE_HINT if number == 1 else ""))
    if has_too_many_parts(line):
        if has_cr_ends(line):
            return _problem(number, "invalid_json", CR_ENDS)
        return _problem(number, "too_many_parts", f"A line may hold `{{` and `[` {LINE_PARTS:,} times at most.")
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _flawed(line, number) or _unparsed(line, number, error)
    return (has_large_number(line) and _flawed(line, number)) or Record(number, row)


def isolate_line(
    number: int,
    work: Callable[..., T | list[Problem]],
    *arguments: object,
    log: Callable[[Exception], None] | None = None,
) -> T | list[Problem]:
    """Call `work` for one line, and turn any error into a problem of that line, so that it can't stop other lines.

    `work` must do no I/O, so that an error is the line's own and would come again. `PROCESS_ERRORS` are raised instead:
    as a problem, they would refuse for good a line that another process could read.
    """
    try:
        return work(*arguments)
    except PROCESS_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of a line: any error is a problem of that line alone
        if log:
            log(error)
        return [Problem(line=number, path="$", code="unreadable", message=UNREADABLE_MESSAGE)]


def has_large_number(line: bytes) -> bool:
    """Whether a line may hold a whole number of more than 64 bits, which orjson would change."""
    return _large_number(line) is not None


def has_too_many_parts(line: bytes) -> bool:
    """Whether a line has more lists and objects than `LINE_PARTS`."""
    return len(line) > LINE_PARTS and line.count(b"{") + line.count(b"[") > LINE_PARTS


def _flawed(line: bytes, number: int) -> Record | None:
    """The problem of a line that some parsers take for JSON, but whose values can't all be stored; None if they can."""
    try:
        flawed_path = find_flaw(json.loads(line.decode(), parse_int=read_whole))
    except (ValueError, RecursionError):
        return None
    if not flawed_path:
        return None
    path, flaw = flawed_path
    problem = Problem(line=number, path=path[:LONGEST_PATH], code=flaw.code, message=f"A value {flaw.rule}")
    return Record(number, problems=(problem,))


def _unparsed(line: bytes, number: int, error: orjson.JSONDecodeError) -> Record:
    """The problem of a line that orjson can't parse, with a message that says how to fix the file."""
    try:
        line.decode()
    except UnicodeDecodeError as decode_error:
        message = f"Not UTF-8 at byte {decode_error.start + 1} of the line. Save the file as UTF-8."
        return _problem(number, "not_utf8", message)
    if has_cr_ends(line):
        return _problem(number, "invalid_json", CR_ENDS)
    if "depth limit" in error.msg:
        return _problem(number, *TOO_DEEP[1:])
    return _problem(number, "invalid_json", f"Not valid JSON: {error.msg.split(':')[0]} at character {error.pos + 1}.")


def _problem(number: int, code: str, message: str) -> Record:
    return Record(number, problems=(Problem(line=number, path="$", code=code, message=message),))
