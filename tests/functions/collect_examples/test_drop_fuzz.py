"""Whatever a file holds, each of its lines is an example or a problem that names it, and no good one is lost."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st

from collect_examples.ingest import records_in
from tests.examples import chat
from tests.unit.factories import JSON
from tuneloop.app import utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.datasets.datasets import OnInvalid
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, problem_of_start
from tuneloop.domain.datasets.records import read_record
from tuneloop.store.objects.drop_reader import DropReader
from tuneloop.store.objects.segments import read_line
from tuneloop.validation.decompress import decompress, split_lines

TEMPLATE = Template(user="Q: {{input}}")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "quality": st.floats(0, 1) | st.none(),
        "category": st.text(max_size=20),
        "subject": st.text(max_size=20),
        "split": st.sampled_from([*Split]),
        "created_at": st.datetimes().map(str),
    },
)
GOOD = st.builds(
    lambda form, user, answer, ours: {**form(user, answer), **ours},
    st.sampled_from([
        chat,
        lambda user, answer: {"user_message": user, "assistant_response": answer},
        lambda user, answer: {"input": user, "output": answer},
        lambda user, answer: {"input": {"a": user}, "output": {"b": answer}},
    ]),
    TEXT,
    TEXT,
    FIELDS,
)  # fmt: skip
NAMES = ("messages", "user_message", "assistant_response", "input", "output", "preferred_output", "tools", "created_at")
BAD = (
    st.binary(min_size=1)
    | JSON.map(json.dumps).map(str.encode)
    | st.dictionaries(st.sampled_from(NAMES), JSON).map(json.dumps).map(str.encode)
    | st.builds(lambda row, cut: json.dumps(row).encode()[:-cut], GOOD, st.integers(1, 9))
)
PACK: dict[str, Any] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def read(content: bytes, name: str) -> tuple[DropReader, list[str]]:
    """How the reading of a file ended, and the questions that were asked in it."""
    reading = DropReader(OnInvalid.SKIP, utc_now)
    lines = split_lines(decompress(io.BytesIO(content), name, len(content)), 10 << 20)
    found = reading.lines_of(lines, records_in(name, None), partial(read_record, template=TEMPLATE))
    stored = [read_line(line.text) for line in found]
    return reading, [line.example.messages[-2]["content"] for line in stored]


def question(row: Any) -> str:
    """What a good row asks, once it is messages."""
    if "messages" in row:
        return str(row["messages"][-2]["content"])
    asked = row.get("user_message") or row["input"]
    text = asked if isinstance(asked, str) else json.dumps(asked, separators=(",", ":"), ensure_ascii=False)
    return text if "user_message" in row else f"Q: {text}"


@given(st.lists(GOOD.map(lambda row: (json.dumps(row).encode(), row)) | BAD.map(lambda line: (line, None))),
       st.sampled_from([*PACK]), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))  # fmt: skip
def test_no_line_of_jsonl_is_lost(lines: Sequence[tuple[bytes, Any]], packed: str, end: bytes) -> None:
    content = end.join([line for line, _ in lines])
    begins = next((line for line in content.removeprefix(BYTE_ORDER_MARK).split(b"\n") if line.strip()), b"")
    assume(problem_of_start(begins, 1) is None)  # a file that begins as UTF-16 does is told so, as a whole

    reading, asked = read(PACK[packed](content), f"a.jsonl{packed}")

    good = [question(row) for _, row in lines if row]
    remaining = iter(asked)
    assert all(text in remaining for text in good)  # in their order, and none left out
    assert reading.is_usable or not lines or reading.problems[0].code == "empty_file"
    assert all(problem.line and problem.message for problem in reading.problems if problem.code != "empty_file")


CELL = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",;\n\r'), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT) | st.tuples(CELL) | st.tuples(CELL, CELL, TEXT)), st.sampled_from([*PACK]),
       st.sampled_from(",;\t"))  # fmt: skip
def test_no_record_of_a_table_is_lost(rows: Sequence[tuple[str, ...]], packed: str, delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("prompt", "completion"), *rows])

    reading, asked = read(PACK[packed](file.getvalue().encode()), f"a.CSV{packed}")

    assert asked == [row[0] for row in rows if len(row) == 2]
    assert reading.is_usable or not asked
    assert reading.lines == len([row for row in rows if any(map(str.strip, row))])


@given(st.binary() | st.text('text,label;"\n\r\t').map(str.encode), st.sampled_from(["a.jsonl", "a.csv"]),
       st.sampled_from([*PACK]), st.booleans())  # fmt: skip
def test_any_bytes_are_read_to_an_end(content: bytes, name: str, packed: str, is_packed: bool) -> None:
    reading, asked = read(PACK[packed](content) if is_packed else content, f"{name}{packed}")

    assert len(asked) == reading.examples <= reading.lines
    assert reading.problem_count or asked
