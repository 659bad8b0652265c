"""Parsing: bytes of a line become a row, or the one problem that says why they are none.

What JSON would take far more memory than its length, or can't be written again, is refused before anybody looks at it.
"""

from collections.abc import Iterable, Iterator

import orjson

from tuneloop.domain.diagnosis import BYTE_ORDER_MARK, problem_of_start
from tuneloop.domain.examples import TOO_DEEP, Problem
from tuneloop.domain.limits import LINE_BYTES, LINE_PARTS
from tuneloop.domain.shaping import Record
from tuneloop.domain.tables import Unreadable

Numbered = tuple[int, bytes | None]


def numbered(lines: Iterable[bytes | None]) -> Iterator[Numbered]:
    """The lines of JSONL that aren't blank, with their numbers and without a byte order mark; None is one too long.

    Raises Unreadable where the file begins as no text in UTF-8 does.
    """
    has_begun = False
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK) if line and number == 1 else line
        if text is None or (text and not text.isspace()):
            if not has_begun and text and (problem := problem_of_start(text, number)):
                raise Unreadable(problem)
            has_begun = True
            yield number, text


def json_records(lines: Iterable[bytes | None]) -> Iterator[Record]:
    """The records of JSONL by its lines."""
    return (record_of(line, number) for number, line in numbered(lines))


def record_of(line: bytes | None, number: int) -> Record:
    """What a line holds; None is one that is too long."""
    if line is None:
        return _problem(number, "line_too_long", f"A line may have {LINE_BYTES >> 20} MiB at most.")
    if has_too_many_parts(line):
        return _problem(number, "too_many_parts", f"A line may hold `{{` and `[` {LINE_PARTS:,} times at most.")
    try:
        return Record(number, orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return _unparsed(line, number, error)


def has_too_many_parts(line: bytes) -> bool:
    """Whether a line holds more lists and objects than are read."""
    return len(line) > LINE_PARTS and line.count(b"{") + line.count(b"[") > LINE_PARTS


def _unparsed(line: bytes, number: int, error: orjson.JSONDecodeError) -> Record:
    try:
        line.decode()
    except UnicodeDecodeError as fault:
        message = f"Not UTF-8 at byte {fault.start + 1} of the line. Save the file as UTF-8."
        return _problem(number, "not_utf8", message)
    if "depth limit" in error.msg:
        return _problem(number, *TOO_DEEP[1:])
    return _problem(number, "invalid_json", f"Not valid JSON: {error.msg.split(':')[0]} at character {error.pos + 1}.")


def _problem(number: int, code: str, message: str) -> Record:
    return Record(number, problems=(Problem(line=number, path="$", code=code, message=message),))
