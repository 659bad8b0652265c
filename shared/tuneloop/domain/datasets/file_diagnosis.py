"""File diagnosis: what a file is instead, where nothing of it can be read as JSON lines or CSV records in UTF-8."""

import re
from collections.abc import Sequence

from tuneloop.domain.chat.examples import Problem

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some editors write and nobody needs
# How texts begin that are written with two or four bytes a character: by their mark (Unicode 15, 23.8), longest first.
MARKS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
# How files begin that are packed, whatever their name says.
PACKED = {
    b"\x1f\x8b": "gzip: let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "Zstandard: let its name end in .zst",
    b"PK\x03\x04": "a ZIP archive or a workbook (.xlsx): unpack it, or export it as CSV in UTF-8",
}
# Problems of lines that hold no row at all.
NO_ROW = frozenset({"invalid_json", "not_utf8", "not_an_object", "line_too_long", "too_many_parts", "too_deep"})
NOT_JSONL = (
    "No line of the file is a JSON object. JSONL has one object on each line, with no list around them and no line "
    "breaks in them."
)
CR_ENDS = "Not valid JSON: the lines end in CR alone, as on old Macs. Save the file with LF at the end of each line."
# An object that ends before a CR, and another that begins behind it: no JSON has that, so it is several lines. Only the
# blanks behind the first CR may be CR too, so that a search takes no longer than its text is long.
_cr_between_objects = re.compile(rb"}[ \t]*\r[ \t\r]*{").search
NOT_UTF8 = "Nothing in the file can be read as UTF-8. Is it in Latin-1 or Windows-1252? Save the file as UTF-8."


def wide_encoding(start: bytes) -> str | None:
    """UTF-16 or UTF-32, if a text that begins so is written in it, with a byte order mark or without."""
    if marked := next((name for mark, name in MARKS.items() if start.startswith(mark)), None):
        return marked
    if start[:3] == bytes(3) and start[3:4].isascii() and start[3:4].strip(b"\x00"):
        return "UTF-32"
    letters = start[:2].strip(b"\x00")  # of a character of ASCII one byte is left
    if len(start) < 2 or len(letters) != 1 or not (letters.isascii() and letters.decode().isprintable()):
        return None
    return "UTF-32" if start[2:4] == bytes(2) and not start.startswith(b"\x00") else "UTF-16"


def problem_of_start(start: bytes, line: int) -> Problem | None:
    """Why a file that begins so can't be read, whatever comes after."""
    if encoding := wide_encoding(start):
        message = f"Not UTF-8 but {encoding}. Save the file as UTF-8."
    elif kind := next((kind for magic, kind in PACKED.items() if start.startswith(magic)), None):
        message = f"Not text in UTF-8 but {kind}."
    else:
        return None
    return Problem(line=line, path="$", code="not_utf8", message=message)


def has_cr_ends(line: bytes) -> bool:
    """Whether what was read as one line, and is no JSON, is several that end in CR alone."""
    return b"\r" in line and _cr_between_objects(line) is not None


def is_no_row(problem: Problem) -> bool:
    """Whether a problem says that there is no row on its line at all."""
    return problem.path == "$" and problem.code in NO_ROW


def problem_of_file(problems: Sequence[Problem]) -> Problem | None:
    """What is wrong with a file as a whole, by the problems of its lines if none of those holds a row."""
    if not problems or not all(map(is_no_row, problems)):
        return None
    first, codes = problems[0], {problem.code for problem in problems}
    if first.message == CR_ENDS:
        return first
    if codes == {"not_an_object"} and len({problem.message for problem in problems}) == 1:
        return first
    message = NOT_UTF8 if codes == {"not_utf8"} else NOT_JSONL
    return first.model_copy(update={"code": "not_jsonl", "message": message})
