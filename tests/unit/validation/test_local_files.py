"""Local files: their lines are all there, whatever they come through, and a dataset's settings are taken."""

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import zstandard

from collect_examples.views import DatasetView
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.datasets.datasets import Dataset, DatasetChange, OnDrop
from tuneloop.validation.decompress import is_table
from tuneloop.validation.file_validation import Task, validate
from tuneloop.validation.line_parser import number_lines
from tuneloop.validation.local_files import ReadSettings, lines_of, problem_of, records_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MARK = b"\xef\xbb\xbf"
LINE = b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}\n'
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("kind", PACK)
def test_lines_are_numbered_without_blank_ones_or_a_byte_order_mark(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl{kind}"
    path.write_bytes(PACK[kind](MARK + b"one\n\n \t\r\ntwo\n" + MARK + b"three"))

    assert list(number_lines(lines_of(path))) == [(1, b"one"), (4, b"two"), (5, MARK + b"three")]


@pytest.mark.parametrize("kind", PACK)
def test_a_csv_is_known_by_its_name_and_read_as_one(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"A.CSV{kind}"
    path.write_bytes(PACK[kind](MARK + b"prompt,completion\nhi,hello\n"))

    assert is_table(path.name)
    assert not is_table(f"csv.jsonl{kind}")
    assert [record.row["user_message"] for record in records_of(path)] == ["hi"]


@pytest.mark.parametrize("kind", PACK)
def test_a_pipe_is_read_once_by_one_process_and_counted(kind: str, tmp_path: Path) -> None:
    content = PACK[kind](LINE * 20_000)
    pipe, moves = tmp_path / f"pipe.jsonl{kind}", list[int]()
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()

    report = validate(Task(pipe), processes=2, on_read=moves.append)

    writer.join()
    assert (report.valid, report.broken, moves[-1]) == (20_000, None, len(content))


def test_what_stops_the_reading_is_told_with_its_place() -> None:
    fault, denied = InvalidInput("Not gzip.", code="corrupt_compression"), OSError(13, "Permission denied")

    assert problem_of(fault, 7).model_dump() == {
        "line": 7, "path": "$", "code": "corrupt_compression", "message": "Not gzip.",
    }  # fmt: skip
    assert "Permission denied" in problem_of(denied).message
    assert "OSError" in problem_of(OSError()).message


@pytest.mark.parametrize(
    "change",
    [
        {"template": {"user": "Title: {{title}}", "answer_schema": {"type": "object"}}},
        {"csv": {"user": "question", "assistant": "reply", "category": "topic"}},
        {},
    ],
)
def test_settings_are_those_that_the_api_answers_with(change: dict[str, Any]) -> None:
    made = {"tenant": "acme", "id": "cards", "model": "cards", "base_model": "base", "salt": "s", "created_at": NOW}
    dataset = Dataset.model_validate(made | {"on_drop": OnDrop.COLLECT})
    wanted = DatasetChange.model_validate(change)

    answered = DatasetView.model_validate(dataset.with_settings(wanted, NOW).model_dump()).model_dump_json()

    found = ReadSettings.model_validate_json(answered)
    assert (found.template, found.csv) == (wanted.template, wanted.csv)
