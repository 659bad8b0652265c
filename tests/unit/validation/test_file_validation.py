"""File validation: every line of a file is accounted for, whatever it holds, and what can't be read is reported."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import chat
from tests.unit.lines import LINES
from tuneloop.domain.chat.examples import Example
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.datasets.records import read_record
from tuneloop.validation import file_validation
from tuneloop.validation import report as reporting
from tuneloop.validation.file_validation import BLOCK_LINES, FileFormat, Task, validate
from tuneloop.validation.line_checks import CAN_FORK
from tuneloop.validation.line_parser import record_of
from tuneloop.validation.local_files import ReadSettings
from tuneloop.validation.report import ERRORS_KEPT, FileReport
from tuneloop.validation.tokens import count_content

PAIR = {
    "input": {"messages": [{"role": "user", "content": "hi"}]},
    "preferred_output": [{"role": "assistant", "content": "hello"}],
    "non_preferred_output": [{"role": "assistant", "content": "go away"}],
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
Written = Callable[..., Task]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A file with such content, as what is to be validated."""

    def write(content: bytes | list[Any], name: str = "train.jsonl", **task: Any) -> Task:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else jsonl(content))
        return Task(path, **task)

    return write


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def talks(count: int, **more: Any) -> list[dict[str, Any]]:
    return [chat(f"Where is order {number}?", f"Order {number} is sent.", **more) for number in range(count)]


def found_in(report: FileReport) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.path, problem.code) for problem in report.errors]


def warned_of(report: FileReport) -> dict[str, tuple[int, list[int]]]:
    return {warning.code: (warning.count, warning.lines) for warning in report.warnings}


@pytest.mark.parametrize("kind", PACK)
def test_a_file_is_read_however_it_is_packed(kind: str, written: Written) -> None:
    rows = [*talks(12, system="Be kind."), {"messages": []}, chat("hi", "", system="Be kind.")]

    report = validate(written(PACK[kind](jsonl(rows)), f"train.jsonl{kind}"))

    assert (report.lines, report.valid, report.invalid, report.broken) == (14, 12, 2, None)
    assert found_in(report) == [(13, "$.messages", "missing_messages"), (14, "$.messages[2].content", "empty_answer")]
    assert report.warnings == []


def test_tokens_are_those_of_the_valid_lines(written: Written) -> None:
    rows = [chat("hi", "hello " * number) for number in range(1, 101)]
    counts = sorted(count_content(row) for row in rows)

    report = validate(written([*rows, {"messages": []}]))

    assert report.tokens.model_dump() == {
        "total": sum(counts), "max": counts[-1], "p50": counts[49], "p95": counts[94],
    }  # fmt: skip


def test_an_example_that_will_be_cut_is_a_warning_and_no_error(written: Written) -> None:
    rows = [*talks(12), chat("hi", "word " * 300)]

    report = validate(written(rows, token_limit=200))

    assert (report.valid, report.invalid, report.examples_over_limit) == (13, 0, 1)
    assert warned_of(report) == {"over_token_limit": (1, [13])}


def test_examples_without_the_system_prompt_of_the_others_are_named(written: Written) -> None:
    report = validate(written([*talks(12, system="Be kind."), *talks(2)]))

    assert warned_of(report) == {"system_prompt_missing": (2, [13, 14])}
    assert validate(written(talks(12))).warnings == []


def test_the_same_example_is_found_however_it_is_written(written: Written) -> None:
    rows = talks(12)
    turned = {"messages": [dict(reversed(message.items())) for message in rows[4]["messages"]], "subject": "u1"}

    report = validate(written([*rows, turned]))

    assert warned_of(report) == {"duplicate": (1, [13])}


def test_labels_shapes_calls_and_too_few_examples_are_warned_of(written: Written) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{"}}
    calling = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]}]}
    labels = [chat(f"Question {number}?", '{"a": 1}' if number else "{}") for number in range(30)]

    assert warned_of(validate(written([*labels, calling]))) == {
        "label_imbalance": (1, []),
        "empty_answer": (1, [1]),
        "answer_shape": (1, [1]),
        "unknown_function": (1, [31]),
        "broken_arguments": (1, [31]),
    }
    assert warned_of(validate(written(talks(9)))) == {"too_few_examples": (9, [])}


def test_calls_in_the_older_form_are_warned_of_as_any_are(written: Written) -> None:
    called = {"role": "assistant", "function_call": {"name": "refund", "arguments": "{"}}
    calling = {"messages": [{"role": "user", "content": "hi"}, called]}
    offering = {**calling, "functions": [{"name": "refund"}]}

    found = warned_of(validate(written([*talks(12), calling, offering])))

    assert found == {"unknown_function": (1, [13]), "broken_arguments": (2, [13, 14])}


def test_examples_in_which_no_user_speaks_are_named(written: Written) -> None:
    answer = {"role": "assistant", "content": "hello"}
    silent = {"messages": [{"role": "system", "content": "Be kind."}, answer]}
    spoken = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            answer,
        ]
    }
    older = {"messages": [{"role": "function", "name": "refund", "content": "paid"}, answer]}
    pair = {**PAIR, "input": {"messages": [{"role": "system", "content": "Greet."}]}}

    found = warned_of(validate(written([*talks(9, system="Be kind."), silent, spoken, older, pair, PAIR])))

    assert found["no_user_message"] == (3, [10, 12, 13])


def test_a_file_of_both_formats_is_fine_but_not_for_one_run(written: Written) -> None:
    rows = [*talks(11), PAIR]

    report = validate(written(rows))

    assert (report.valid, warned_of(report)) == (12, {"mixed_formats": (1, [])})
    assert found_in(validate(written(rows, form=FileFormat.SFT))) == [(12, "$", "wrong_format")]
    assert validate(written(rows, form=FileFormat.PREFERENCE)).invalid == 11


def test_blank_lines_a_byte_order_mark_and_other_line_ends_are_no_faults(written: Written) -> None:
    content = b"\xef\xbb\xbf" + jsonl(talks(12)).replace(b"\n", b"\r\n\n \t\n")

    report = validate(written(content.rstrip()))

    assert (report.lines, report.valid) == (12, 12)


def test_a_csv_is_read_as_a_drop_reads_it(written: Written) -> None:
    content = b"text,label,quality\nWhere is it?,delivery,1\nMoney back!,,2\n"

    report = validate(written(content, "train.csv"), processes=2)

    assert (report.lines, report.valid) == (2, 1)
    assert found_in(report)[0] == (3, "$.quality", "invalid_quality")
    assert validate(written(b"a;b\n1;2\n", "other.csv")).broken is not None


def test_a_csv_without_a_record_has_no_records_rather_than_no_lines(written: Written) -> None:
    for content, name, unit in ((b"prompt,completion\n", "train.csv.gz", "records"), (b"\n", "train.jsonl", "lines")):
        broken = validate(written(PACK[".gz"](content) if name.endswith(".gz") else content, name)).broken
        assert broken is not None
        assert (broken.code, f"no {unit}" in broken.message) == ("empty_file", True)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "train.jsonl", "empty_file"),
        (b"\n \n", "train.jsonl", "empty_file"),
        (json.dumps(talks(3), indent=1).encode(), "train.json", "not_jsonl"),
        (os.urandom(5000), "train.jsonl", "not_jsonl"),
        (b"text,label\nhi,hello\n", "train.jsonl", "not_jsonl"),
        (gzip.compress(jsonl(talks(500)))[:-40], "train.jsonl.gz", "corrupt_compression"),
        (jsonl(talks(3)), "train.jsonl.zst", "corrupt_compression"),
        (gzip.compress(bytes(300 << 20), compresslevel=1), "train.jsonl.gz", "compression_ratio_too_high"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_no_training_file_is_told_why(
    content: bytes, name: str, code: str, processes: int, written: Written
) -> None:
    report = validate(written(content, name), processes=processes)

    assert report.broken is not None
    assert report.broken.code == code
    assert report.errors or code == "not_jsonl"


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        report = validate(Task(path))
        assert report.broken is not None
        assert (report.broken.code, found_in(report)) == ("unreadable_file", [(0, "$", "unreadable_file")])


@given(
    lines=st.lists(LINES, min_size=1, max_size=8),
    broken=st.lists(st.integers(0, 7), max_size=3),
    noise=st.binary(max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_good_line_is_lost_whatever_stands_around_it(
    lines: list[bytes], broken: list[int], noise: bytes, tmp_path: Path
) -> None:
    noise = noise.replace(b"\n", b"")
    lines = [line[: len(line) // 2] + noise if at in broken else line for at, line in enumerate(lines)]
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(lines))

    report = validate(Task(path))

    read = [read_record(record_of(line, at)) for at, line in enumerate(lines, start=1)]
    assert report.valid == sum(isinstance(found, Example) for found in read)
    assert report.errors == [problem for found in read if isinstance(found, list) for problem in found]
    assert report.tokens.total == sum(count_content(found.content) for found in read if isinstance(found, Example))
    assert FileReport.model_validate_json(report.model_dump_json()) == report.model_copy(update={"broken": None})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300),
    name=st.sampled_from(["a.jsonl", "a.jsonl.gz", "a.zst", "a.csv", "a.csv.gz", "A.JSONL", "a"]),
)
def test_no_file_whatever_makes_validation_fail(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    report = validate(Task(tmp_path / name))

    assert report.lines == report.valid + report.invalid
    assert report.broken or report.lines


def test_two_processes_find_what_one_finds(written: Written) -> None:
    rows = [*talks(3 * BLOCK_LINES, system="Be kind."), *talks(BLOCK_LINES), {"messages": []}, PAIR] * 2
    task = written(rows)

    one, two, three = (validate(task, processes=processes) for processes in (1, 2, 3))

    assert one == two == three
    assert one.lines == len(rows)
    assert set(warned_of(one)) == {"duplicate", "mixed_formats", "system_prompt_missing"}


@pytest.mark.skipif(not CAN_FORK, reason="what is patched here reaches a process only where it is forked")
def test_a_process_that_is_ended_from_outside_is_told(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_validation, "_send_findings", lambda *_: os._exit(9))

    report = validate(written(talks(12)), processes=2)

    assert report.broken is not None
    assert found_in(report) == [(0, "$", "process_ended")]


def test_errors_are_kept_up_to_a_number_and_the_rest_is_counted(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "ERRORS_KEPT", 5)
    task = written([{"messages": []}] * (2 * BLOCK_LINES))

    for processes in (1, 2):
        report = validate(task, processes=processes)
        assert [problem.line for problem in report.errors] == [1, 2, 3, 4, 5]
        assert warned_of(report)["more_errors"] == (2 * BLOCK_LINES - 5, [])
    assert ERRORS_KEPT == 10_000


def test_reading_tells_how_far_it_is(written: Written) -> None:
    task = written(gzip.compress(jsonl(talks(2000))), "train.jsonl.gz")
    moves: list[int] = []

    validate(task, on_read=moves.append)

    assert moves
    assert moves[-1] == task.path.stat().st_size


def test_short_chats_are_fine_and_short_lines_among_long_ones_are_not(written: Written) -> None:
    chats = [chat(f"u up {n}", f"yep {n}") for n in range(12)]
    long = [chat(f"I have waited for order {n} for weeks", f"Order {n} has left us.") for n in range(13)]

    assert "too_short" not in warned_of(validate(written(chats)))
    assert warned_of(validate(written([*chats, *long])))["too_short"] == (12, list(range(1, 11)))
    asked = ReadSettings(policy=Policy(min_user_characters=0))
    assert "too_short" not in warned_of(validate(written([*chats, *long], settings=asked)))
