"""CSV files as streams of records, whatever was saved under that name (RFC 4180, `;` and tab as delimiters too).

A record that can't be used is a problem of its own; where quotes leave in doubt which record a line belongs to, reading
ends, since what came after might be made of pieces. Each record is known by the line on which it begins.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.core.limits import COLUMN_CHARACTERS, LINE_BYTES, LINE_PARTS
from tuneloop.domain.core.numbers import parse_decimal
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, problem_of_start
from tuneloop.domain.datasets.records import COMPLETED, PLAIN, RENDERED, Record

DELIMITERS = ",;\t"
# A line that Excel reads, and others write for it, before the header: the separator of what follows, perhaps in quotes,
# and perhaps with separators for the cells that it doesn't have. No header begins like that.
SEPARATOR_LINE = re.compile(r"\"?sep=(?P<separator>\t| |[^\w\s\"'\\]|)\"?[,;\t|]*\s*", re.IGNORECASE)
OPTIONAL_FIELDS = ("category", "source", "subject", "group", "split", "quality", "created_at")
# The header's own words for question and answer, and the fields that they stand for.
HEADER_PAIRS = {COMPLETED: PLAIN, ("text", "label"): PLAIN, PLAIN: PLAIN, RENDERED: RENDERED}
HEADERS = ", ".join(f"`{','.join(pair)}`" for pair in HEADER_PAIRS)
UNKNOWN_COLUMNS = (
    f"The first line must name the columns, with commas, semicolons or tabs between them: {HEADERS}, or those that the "
    "dataset's `csv` names."
)
NOT_SEPARATED = (
    "The line `sep=` says what stands between cells, one character such as ;, and by it no columns are known in the "
    f"header that follows. It must name these: {HEADERS}, or those that the dataset's `csv` names."
)
NOT_CSV = (
    "The record that begins here is not CSV: a cell with quotes, delimiters or new lines in it stands in quotes, its "
    "own quotes are doubled, and every quote is closed. What follows can't be told apart: nothing of the file is taken."
)
TOO_LONG = f"A record may have {LINE_BYTES >> 20} MiB at most. Is a quote left open? What follows can't be told apart."
CR_ENDS = (
    "A CR stands outside of quotes. Where lines end in CR alone, as on old Macs, save the file with LF at the end of "
    "each; a cell with new lines in it stands in quotes."
)
TOO_MANY = f"A record may have {LINE_PARTS:,} delimiters at most."

# The module's own limit is one for the whole process, and below what a record may have here.
csv.field_size_limit(LINE_BYTES)

ColumnName = Annotated[str, Field(min_length=1, max_length=COLUMN_CHARACTERS)]


class CsvColumns(BaseModel):
    """The columns of a dataset's CSV files: which of them is what; columns that aren't named here are left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: ColumnName
    assistant: ColumnName
    category: ColumnName | None = None
    source: ColumnName | None = None
    subject: ColumnName | None = None
    group: ColumnName | None = None
    split: ColumnName | None = None
    quality: ColumnName | None = None
    created_at: ColumnName | None = None

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        if len(set(self.fields.values())) < len(self.fields):
            raise ValueError("two fields can't be filled from one column")
        return self

    @property
    def fields(self) -> dict[str, str]:
        """Column names by the fields that they fill."""
        optional = {name: column for name in OPTIONAL_FIELDS if (column := getattr(self, name))}
        return dict(zip(PLAIN, (self.user, self.assistant), strict=True)) | optional


class Unreadable(Exception):
    """A CSV can't be read any further; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Header(NamedTuple):
    """How many cells a record has, their delimiter, and the cell of each field: (field, its column's name, index)."""

    cells: int
    delimiter: str
    fields: list[tuple[str, str, int]]


def csv_records(lines: Iterable[bytes | None], columns: CsvColumns | None = None) -> Iterator[Record]:
    """The records of a CSV by its lines, None being one that is too long; Unreadable where reading can't go on."""
    text = _Text(lines)
    nonblank = (line for line in text if line.strip())
    first, separator_line = next(nonblank, None), None
    if first is not None and (separator_line := SEPARATOR_LINE.fullmatch(first)):
        first = next(nonblank, None)
    if first is None:
        return
    header = _header(first, columns, text, separator_line["separator"] if separator_line else None)
    names = {field: name for field, name, _ in header.fields}
    reader = csv.reader(text, delimiter=header.delimiter, strict=True)
    while (cells := _cells(reader, text)) is not None:
        if not any(map(str.strip, cells)):
            continue
        if problem := text.fault or _cell_count_problem(cells, header, text.begun):
            yield Record(text.begun, problems=(problem,))
        else:
            yield Record(text.begun, _row(cells, header), columns=names)


class _Text:
    """Lines as texts with their ends, counted; a fault of a record is kept in `fault`, or ends the reading."""

    def __init__(self, lines: Iterable[bytes | None]) -> None:
        self._lines = iter(lines)
        self.line, self.begun = 0, 1
        self.fault: Problem | None = None
        self._bytes = self._parts = 0
        self.delimiter = b","

    def begin(self) -> None:
        """Begin a record with the next line."""
        self.begun, self.fault, self._bytes, self._parts = self.line + 1, None, 0, 0

    def __iter__(self) -> "_Text":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.line += 1
        self._bytes += 0 if line is None else len(line) + 1
        if line is None or self._bytes > LINE_BYTES + 1:
            raise self.unreadable("line_too_long", TOO_LONG)
        self._parts += line.count(self.delimiter)
        if self._parts > LINE_PARTS:
            raise self.unreadable("too_many_parts", TOO_MANY)
        if self.line == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
            if problem := problem_of_start(line, 1):
                raise Unreadable(problem)
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            message = f"Not UTF-8 at byte {error.start + 1} of line {self.line}. Save the file as UTF-8."
            self.fault = Problem(line=self.begun, path="$", code="not_utf8", message=message)
            return line.decode(errors="replace") + "\n"

    def unreadable(self, code: str, message: str, path: str = "$") -> Unreadable:
        """Why reading can't go on with the record in hand."""
        return Unreadable(Problem(line=self.begun, path=path, code=code, message=message))


def _cells(reader: Iterator[list[str]], text: _Text) -> list[str] | None:
    text.begin()
    try:
        return next(reader, None)
    except csv.Error as error:
        message = CR_ENDS if "new-line character" in str(error) else NOT_CSV  # as the module calls a CR
        raise text.unreadable("invalid_csv", message) from error


def _header(first: str, columns: CsvColumns | None, text: _Text, separator: str | None) -> Header:
    """What the header says; the delimiter is `separator`, or else the one by which its columns are known."""
    text.begun = text.line
    if text.fault:
        raise Unreadable(text.fault)
    for delimiter in DELIMITERS if separator is None else separator:
        names = _names(first, delimiter)
        if known := _columns_by_field(names, columns, text):
            text.delimiter = delimiter.encode()
            return Header(len(names), delimiter, [(field, name, names.index(name)) for field, name in known.items()])
    if "\r" in first.strip():
        raise text.unreadable("invalid_csv", CR_ENDS)
    raise text.unreadable("unknown_columns", UNKNOWN_COLUMNS if separator is None else NOT_SEPARATED)


def _names(first: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([first], delimiter=delimiter, strict=True))]
    except csv.Error:  # as another delimiter would have it, or none
        return []


def _columns_by_field(names: list[str], columns: CsvColumns | None, text: _Text) -> dict[str, str]:
    """The columns by the fields that they fill; none where question and answer are not among them."""
    columns_by_word = {name.casefold(): name for name in reversed(names)}
    mapped = columns.fields if columns and {columns.user, columns.assistant} <= set(names) else {}
    known = (pair for pair in HEADER_PAIRS if columns_by_word.keys() >= set(pair))
    pairs = (zip(HEADER_PAIRS[pair], pair, strict=True) for pair in known)
    columns_by_field = mapped or {field: columns_by_word[name] for field, name in next(pairs, ())}
    if not columns_by_field:
        return {}
    pair_columns = columns_by_field.values()
    optional = (name for name in OPTIONAL_FIELDS if name in columns_by_word)
    columns_by_field = {
        name: columns_by_word[name] for name in optional if columns_by_word[name] not in pair_columns
    } | columns_by_field
    for name in columns_by_field.values():
        if names.count(name) != 1:
            code, how_often = ("duplicate_column", "twice") if name in names else ("missing_column", "not")
            raise text.unreadable(code, f"The header names this column {how_often}.", f"$.{name}")
    others = [place for place, name in enumerate(names) if name and name not in columns_by_field.values()]
    if others and not mapped:
        place = others[0]
        message = f"Column {place + 1} is not known. Take it out, or name the columns in the dataset's `csv`."
        raise text.unreadable("unknown_column", message, f"$.{safe_name(names[place])}")
    return columns_by_field


def _cell_count_problem(cells: list[str], header: Header, line: int) -> Problem | None:
    """Whether a record has another number of cells than the header; empty ones at its end don't count."""
    if len(cells) >= header.cells and not any(cells[header.cells :]):
        return None
    message = f"The record has {len(cells)} cells where the header has {header.cells}. Is a cell without its quotes?"
    return Problem(line=line, path="$", code="wrong_number_of_cells", message=message)


def _row(cells: list[str], header: Header) -> dict[str, str | float]:
    row: dict[str, str | float] = {}
    for field, _, place in header.fields:
        cell = cells[place]
        if field not in OPTIONAL_FIELDS:
            row[field] = cell
        elif cell := cell.strip():
            row[field] = _number(cell) if field == "quality" else cell
    return row


def _number(cell: str) -> str | float:
    number = parse_decimal(cell)
    return cell if number is None else float(number)  # `read_record` refuses it then, as no quality
