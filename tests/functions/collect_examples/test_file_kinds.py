"""Files that are something else: each way in says what they are, and what to do about it."""

import codecs
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard
from typer.testing import CliRunner

from tests.functions import steps
from tests.world import World
from tuneloop.cli.commands import cli

ROWS = [{**row, "category": "Größe"} for row in steps.questions(12)]
TEXT = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = "prompt;completion\n" + "".join(f"Größe {number}?;groß\n" for number in range(12))
SAVE = "Save the file as UTF-8."
MISNAMED = "let its name end in "
CR = "the lines end in CR alone, as on old Macs. Save the file with LF"
ONE_LINE = "JSONL has one object on each line"
NO_LIST = "JSONL has an object on each line, and no list around."


class Kind(NamedTuple):
    """What a file holds, its name, and the code and words by which its first problem is told."""

    content: bytes
    code: str
    words: str
    name: str = "train.jsonl"


KINDS = {
    "UTF-16 with a mark": Kind(TEXT.encode("utf-16"), "not_utf8", f"UTF-16. {SAVE}"),
    "UTF-16, large end first": Kind(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "not_utf8", f"UTF-16. {SAVE}"),
    "UTF-16 without a mark": Kind(TEXT.encode("utf-16-le"), "not_utf8", f"UTF-16. {SAVE}"),
    "UTF-16, large end first, no mark": Kind(TEXT.encode("utf-16-be"), "not_utf8", f"UTF-16. {SAVE}"),
    "UTF-32 with a mark": Kind(TEXT.encode("utf-32"), "not_utf8", f"UTF-32. {SAVE}"),
    "UTF-32 without a mark": Kind(TEXT.encode("utf-32-le"), "not_utf8", f"UTF-32. {SAVE}"),
    "UTF-32, large end first, no mark": Kind(TEXT.encode("utf-32-be"), "not_utf8", f"UTF-32. {SAVE}"),
    "Latin-1": Kind(TEXT.encode("latin-1"), "not_utf8", SAVE),
    "Windows-1252": Kind(TEXT.replace("?", "…").encode("cp1252"), "not_utf8", SAVE),
    "gzip without its ending": Kind(gzip.compress(TEXT.encode()), "not_utf8", f"gzip: {MISNAMED}.gz"),
    "Zstandard without its ending": Kind(
        zstandard.ZstdCompressor().compress(TEXT.encode()), "not_utf8", f"Zstandard: {MISNAMED}.zst"
    ),
    "a workbook": Kind(b"PK\x03\x04" + bytes(40), "not_utf8", "workbook (.xlsx)"),
    "one list": Kind(json.dumps(ROWS).encode(), "not_an_object", NO_LIST),
    "a list over many lines": Kind(json.dumps(ROWS, indent=1).encode(), "invalid_json", ONE_LINE),
    "objects over many lines": Kind(
        "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(), "invalid_json", ONE_LINE
    ),
    "a list with a row on each line": Kind(
        b"[" + b",\n".join(json.dumps(row).encode() for row in ROWS) + b"]", "invalid_json", ONE_LINE
    ),
    "lines that end in CR": Kind(TEXT.replace("\n", "\r").encode(), "invalid_json", CR),
    "lines that end in two CR": Kind(TEXT.replace("\n", " \r\r").encode(), "invalid_json", CR),
    "lines that end in CR, the last in LF": Kind(
        b"\xef\xbb\xbf" + TEXT.strip().replace("\n", "\r").encode() + b"\n", "invalid_json", CR
    ),
    "very many lines that end in CR": Kind(
        b"".join(b'{"messages": [{"n": [%d]}]}\r' % number for number in range(60_000)), "invalid_json", CR
    ),
    "a CSV whose lines end in CR": Kind(CSV.replace("\n", "\r").encode(), "invalid_csv", "end in CR", "train.csv"),
    "messages on each line": Kind(
        "\n".join(json.dumps(row["messages"]) for row in ROWS).encode(), "not_an_object", "has as `messages`"
    ),
    "one message on each line": Kind(
        "\n".join(json.dumps(said) for row in ROWS for said in row["messages"]).encode(),
        "missing_messages",
        "This is one message",
    ),
    "JSON in a text on each line": Kind(
        "\n".join(json.dumps(json.dumps(row)) for row in ROWS).encode(), "not_an_object", "this one is a text"
    ),
    "messages as texts": Kind(
        "\n".join(json.dumps({"messages": list(map(json.dumps, row["messages"]))}) for row in ROWS).encode(),
        "not_an_object",
        "not a text, even if the text is JSON",
    ),
    "a CSV in UTF-16": Kind(CSV.encode("utf-16"), "not_utf8", f"UTF-16. {SAVE}", "train.csv"),
    "a CSV in Latin-1": Kind(CSV.encode("latin-1"), "not_utf8", SAVE, "train.csv"),
    "a workbook with the ending of a CSV": Kind(b"PK\x03\x04" + bytes(40), "not_utf8", "workbook", "train.csv"),
}
HAVE_ROWS = {"one message on each line", "messages as texts"}  # a line that is an object is a row, if a bad one


def ran(command: str, kind: Kind, folder: Path, *options: str) -> Any:
    file = folder / kind.name
    file.write_bytes(kind.content)
    return CliRunner().invoke(cli, [command, str(file), *options])


@pytest.mark.parametrize("name", KINDS)
def test_validate_says_what_the_file_is(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]

    done, as_json = ran("validate", kind, tmp_path), ran("validate", kind, tmp_path, "--json")

    assert (done.exit_code, as_json.exit_code) == ((1, 1) if name in HAVE_ROWS else (2, 2))
    said = " ".join((done.stdout + done.stderr).split())
    assert kind.words in said or "not_utf8" in said
    assert json.loads(as_json.stdout)["errors"][0]["code"] == kind.code
    assert ran("estimate", kind, tmp_path).exit_code == 2
    assert ran("convert", kind, tmp_path, "--to", "openai-sft").exit_code == 2


@pytest.mark.parametrize("skips", [False, True])
def test_a_drop_says_what_the_file_is(skips: bool, world: World) -> None:
    settings = {"id": "support", "on_invalid": "skip" if skips else "reject"}
    world.call("POST /v1/datasets", "/v1/datasets", settings)

    for kind in KINDS.values():
        world.drop("support", kind.content, kind.name)
        drop = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"][0]
        first = drop["problems"][0]
        assert (drop["status"], drop["examples"]) == ("rejected", 0)
        assert first["code"] in (kind.code, "not_jsonl")
        assert kind.words in first["message"]


def test_an_upload_on_openai_s_wire_says_what_the_file_is(world: World) -> None:
    head = b'--form\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--form\r\n'
    file = b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'

    for kind in (kind for kind in KINDS.values() if kind.name == "train.jsonl"):
        answer = world.call("POST /v1/files", "/v1/files", head + file + kind.content + b"\r\n--form--\r\n")
        assert answer.status == 400
        assert kind.words in answer.body["error"]["message"]


@pytest.mark.parametrize("content", [CSV, "sep=;\n" + CSV, '"sep=;"\r\n' + CSV, "\ufeffSEP=;\n\n" + CSV])
def test_a_csv_is_read_by_the_separator_that_it_names(content: str, world: World, tmp_path: Path) -> None:
    kind = Kind(content.encode(), "", "", "train.csv")
    world.drop("support", kind.content, kind.name)

    drop = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"][0]

    assert (drop["status"], drop["examples"], drop["problems"]) == ("collected", 12, [])
    assert ran("validate", kind, tmp_path).exit_code == 0


def test_a_file_in_cr_longer_than_a_line_may_be_is_told_what_may_be_wrong(tmp_path: Path) -> None:
    content = TEXT.replace("\n", "\r").encode() * (1 + (11 << 20) // len(TEXT))

    said = " ".join(ran("validate", Kind(content, "", ""), tmp_path, "--json").stdout.split())

    assert '"line_too_long"' in said
    assert "save it with LF at the end of each, and not CR alone" in said


def test_cr_that_json_takes_for_a_blank_is_no_end_of_a_line(tmp_path: Path) -> None:
    content = "\r\n".join(json.dumps(row, indent=1).replace("\n", "\r") for row in ROWS).encode()

    assert ran("validate", Kind(content, "", ""), tmp_path).exit_code == 0
