"""CSV: records by the lines on which they begin, whatever the file was made by."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.core.limits import LINE_BYTES
from tuneloop.domain.datasets.csv_reader import CsvColumns, Unreadable, csv_records
from tuneloop.domain.datasets.records import Record

MAPPED = CsvColumns(user="Customer question", assistant="answer", subject="who")
CELLS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",;\t\n\r '), max_size=12)


def records(content: bytes | str, columns: CsvColumns | None = None) -> list[Record]:
    lines = (content.encode() if isinstance(content, str) else content).split(b"\n")
    return list(csv_records(lines, columns))


def rows(content: bytes | str, columns: CsvColumns | None = None) -> list[tuple[int, Any]]:
    """Line and row of each record."""
    found = records(content, columns)
    assert not any(record.problems for record in found)
    return [(record.line, record.row) for record in found]


def broken(content: bytes | str, columns: CsvColumns | None = None) -> tuple[int, str, str]:
    """Where and why reading ends."""
    with pytest.raises(Unreadable) as ended:
        records(content, columns)
    problem = ended.value.problem
    return problem.line, problem.path, problem.code


def asked(user: str, assistant: str, **more: Any) -> dict[str, Any]:
    return {"user_message": user, "assistant_response": assistant, **more}


@pytest.mark.parametrize(
    "header", ["prompt,completion", "text,label", "Text , LABEL", "user_message,assistant_response"]
)
def test_a_header_of_known_names_says_what_is_what(header: str) -> None:
    assert rows(f"{header}\na,b\nc,d") == [(2, asked("a", "b")), (3, asked("c", "d"))]
    assert rows("completion,prompt\nb,a\n") == [(2, asked("a", "b"))]
    assert rows("input,output\na,b") == [(2, {"input": "a", "output": "b"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_any_delimiter_and_any_ends_are_read(delimiter: str, end: str, start: bytes) -> None:
    text = end.join([f"text{delimiter}label", f'"a{delimiter} ""b"""{delimiter}c', "", f"d{delimiter}e", ""])
    first = 1 + start.count(b"\n")

    assert rows(start + text.encode()) == [(first + 1, asked(f'a{delimiter} "b"', "c")), (first + 3, asked("d", "e"))]


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("sep=;", ";"),
        ("SEP=,", ","),
        ('"sep=;"', ";"),
        ("sep=\t", "\t"),
        ("sep=|", "|"),
        ("sep=;;", ";"),
        ("sep=:\r", ":"),
    ],
)
def test_a_line_that_names_the_separator_is_heeded(first: str, separator: str) -> None:
    content = f"{first}\nprompt{separator}completion\na{separator}b"

    assert rows(content) == [(3, asked("a", "b"))]
    assert rows("\ufeff" + content) == [(3, asked("a", "b"))]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("sep=;\nprompt,completion\na,b", 2, "The line `sep=`"),
        ("sep=\nprompt,completion\na,b", 2, "The line `sep=`"),
        ("sep=;\nsep=,\nprompt,completion", 2, "The line `sep=`"),
        ("sep=;;,x\nprompt;completion", 1, "with commas, semicolons or tabs"),
        ("sep=ab\nprompt;completion", 1, "with commas, semicolons or tabs"),
        ("prompt|completion\na|b", 1, "with commas, semicolons or tabs"),
        ("prompt completion\na b", 1, "with commas, semicolons or tabs"),
        ("sep;\nprompt;completion", 1, "with commas, semicolons or tabs"),
    ],
)
def test_a_header_that_no_separator_opens_is_told_why(content: str, line: int, words: str) -> None:
    with pytest.raises(Unreadable) as ended:
        records(content)

    assert (ended.value.problem.line, ended.value.problem.code) == (line, "unknown_columns")
    assert words in ended.value.problem.message


@pytest.mark.parametrize("content", ["sep=;", "sep=;\n\n", "sep=;\nprompt;completion\n"])
def test_a_separator_alone_is_a_file_without_a_record(content: str) -> None:
    assert rows(content) == []


def test_a_record_is_known_by_the_line_on_which_it_begins() -> None:
    assert rows('text,label\n"a\n\nb",c\nd,"e\r\nf"\ng,h') == [
        (2, asked("a\n\nb", "c")),
        (5, asked("d", "e\r\nf")),
        (7, asked("g", "h")),
    ]


def test_what_stands_beside_an_example_is_read_by_its_own_name() -> None:
    content = "prompt,completion,Quality,category,created_at,split\na,b, 0.5 ,x,2026-11-01, test\nc,d,,,,\n"

    assert rows(content) == [
        (2, asked("a", "b", quality=0.5, category="x", created_at="2026-11-01", split="test")),
        (3, asked("c", "d")),
    ]


def test_a_mapping_names_columns_and_leaves_others_out() -> None:
    content = "id,answer,Customer question,who,quality\n1,b,a,u1,1\n"

    [record] = records(content, MAPPED)
    assert record.row == asked("a", "b", subject="u1", quality=1.0)
    assert record.columns["user_message"] == "Customer question"
    assert rows("text,label\na,b", MAPPED) == [(2, asked("a", "b"))]


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        ("question,answer\na,b", None, (1, "$", "unknown_columns")),
        ("\nWhere is it?,late\n", None, (2, "$", "unknown_columns")),
        ("prompt|completion\na|b", None, (1, "$", "unknown_columns")),
        ("answer,who\na,b", MAPPED, (1, "$", "unknown_columns")),
        ("Customer question,answer\na,b", MAPPED, (1, "$.who", "missing_column")),
        ("text,label,text\na,b,c", None, (1, "$.text", "duplicate_column")),
        ("text,label,colour\na,b,c", None, (1, "$.colour", "unknown_column")),
        ("text,label,the purple heron dances\na,b,c", None, (1, "$.(unusual name)", "unknown_column")),
        (b"text,label,\xff\n", None, (1, "$", "not_utf8")),
        ("text,label\n".encode("utf-16"), None, (1, "$", "not_utf8")),
        ('text,label\na,b\n"c\nd,e\n', None, (3, "$", "invalid_csv")),
        ('text,label\n"a"b,c\nd,e', None, (2, "$", "invalid_csv")),
        ("text,label\na\rb,c\nd,e", None, (2, "$", "invalid_csv")),
        (b'text,label\na,b\n"' + (b"c" * 1023 + b"\n") * (LINE_BYTES >> 10), None, (3, "$", "line_too_long")),
        (b"text,label\na,b\n" + b"," * 250_001, None, (3, "$", "too_many_parts")),
    ],
)
def test_reading_ends_where_nobody_can_tell_what_follows(content: Any, columns: Any, expected: Any) -> None:
    assert broken(content, columns) == expected


def test_a_line_that_is_too_long_ends_the_reading() -> None:
    with pytest.raises(Unreadable):
        list(csv_records([b"text,label", None, b"a,b"]))


def test_a_file_of_nothing_has_no_records() -> None:
    assert records("") == records("\n \n") == records("text,label\n\n,\n") == []


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"a", "wrong_number_of_cells"), (b"a,b,c", "wrong_number_of_cells"), (b"\xffa,b", "not_utf8")],
)
def test_a_record_that_cannot_be_used_leaves_the_others(line: bytes, code: str) -> None:
    found = records(b"text,label\nc,d\n" + line + b"\ne,f,,\n")

    assert [(record.line, [problem.code for problem in record.problems]) for record in found] == [
        (2, []),
        (3, [code]),
        (4, []),
    ]


@given(st.lists(st.tuples(CELLS, CELLS).filter(lambda row: any(map(str.strip, row)))), st.sampled_from(",;\t"))
def test_what_a_writer_wrote_is_read(written: Sequence[tuple[str, str]], delimiter: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else a \r stays bare
    writer.writerows([("text", "label"), *written])

    assert [row for _, row in rows(file.getvalue())] == [asked(*row) for row in written]


@given(st.binary() | st.text('a,";\t\n\r').map(str.encode), st.sampled_from(["text,label\n", "a;label\n", ""]))
def test_any_bytes_are_records_or_a_reason(content: bytes, header: str) -> None:
    try:
        found = records(header.encode() + content, CsvColumns(user="a", assistant="label"))
    except Unreadable:
        return
    assert all(record.problems or isinstance(record.row["assistant_response"], str) for record in found)
    assert [record.line for record in found] == sorted({record.line for record in found})
