"""Bad input in a drop: each fault is told by number, code and what would be right, and nothing of the file is added."""

import gzip
import json
from typing import Any

import pytest
import zstandard

from tests.examples import chat
from tests.functions import steps
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.limits import LINE_BYTES

GOOD = [json.dumps(line).encode() for line in steps.questions(12)]
BOM = b"\xef\xbb\xbf"
Told = tuple[int, str, str]
SKIP = {"id": "support", "on_invalid": "skip"}


def dropped(world: World, content: bytes, name: str = "examples.jsonl") -> dict[str, Any]:
    """The drop of that content as its user sees it."""
    world.drop("support", content, name=name)
    drops: list[dict[str, Any]] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body[
        "data"
    ]
    return drops[0]


def told(drop: dict[str, Any]) -> list[Told]:
    return [(problem["line"], problem["code"], problem["message"]) for problem in drop["problems"]]


def added(world: World) -> int:
    dataset = app.datasets.get(world.tenant, "support")
    assert dataset.segments == dataset.revision
    return dataset.examples


def with_line(number: int, line: bytes) -> bytes:
    return b"\n".join([*GOOD[: number - 1], line, *GOOD[number - 1 :]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (0, "empty_file", "The file has no lines: nothing can be learnt from it.")),
        (b"\n \r\n\n", (0, "empty_file", "The file has no lines: nothing can be learnt from it.")),
        (BOM, (0, "empty_file", "The file has no lines: nothing can be learnt from it.")),
        (
            with_line(7, b'{"messages": [}'),
            (7, "invalid_json", "Not valid JSON: unexpected character, expected a JSON value at character 15."),
        ),
        (
            with_line(3, '{"messages": "é"}'.encode("latin-1")),
            (3, "not_utf8", "Not UTF-8 at byte 15 of the line. Save the file as UTF-8."),
        ),
        (
            with_line(2, BOM + GOOD[0]),
            (2, "invalid_json", "Not valid JSON: UTF-8 byte order mark (BOM) is not supported at character 1."),
        ),
        (
            with_line(5, b'{"messages": [{"role": "user", "content": "hi"}]}'),
            (5, "no_assistant_message", "At least one message must have the role assistant."),
        ),
        (
            with_line(4, b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            (4, "too_deep", "Objects and lists may lie in each other 64 levels deep at most."),
        ),
        (with_line(6, b"[1]"), (6, "not_an_object", "A line must be one JSON object.")),
        (with_line(9, b"[" * 300_000), (9, "too_many_parts", "A line may hold `{` and `[` 250,000 times at most.")),
        (
            b"\n\n" + with_line(13, b"no"),
            (15, "invalid_json", "Not valid JSON: invalid literal, expected 'null' at character 1."),
        ),
        (
            b"\r\n\r\n".join([*GOOD, b"no"]) + b"\r\n",
            (25, "invalid_json", "Not valid JSON: invalid literal, expected 'null' at character 1."),
        ),
        (with_line(8, b'{"x": "' + b"a" * (20 << 20) + b'"}'), (8, "line_too_long", "A line may have 10 MiB at most.")),
    ],
)
def test_a_fault_is_told_with_its_line_and_adds_nothing(content: bytes, expected: Told, world: World) -> None:
    drop = dropped(world, content)

    assert told(drop) == [expected]
    assert (drop["status"], drop["examples"], drop["problem_count"]) == ("rejected", 0, 1)
    assert added(world) == 0


def test_a_file_in_two_bytes_a_character_is_told_so_once(world: World) -> None:
    drop = dropped(world, b"\n".join(GOOD[:2]).decode().encode("utf-16"))

    assert told(drop) == [(1, "not_utf8", "Not UTF-8 but UTF-16. Save the file as UTF-8.")]
    assert added(world) == 0


@pytest.mark.parametrize("content", [BOM + b"\n".join(GOOD), b"\r\n".join(GOOD) + b"\r\n", b"\n\n".join(GOOD)])
def test_a_byte_order_mark_windows_ends_and_blank_lines_are_forgiven(content: bytes, world: World) -> None:
    drop = dropped(world, content)

    assert (drop["status"], drop["lines"], drop["problems"]) == ("collected", 12, [])
    assert added(world) == 12


@pytest.mark.parametrize(("name", "pack"), [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.compress)])
def test_a_compressed_file_is_read_in_all_its_pieces(name: str, pack: Any, world: World) -> None:
    pieces = [b"\n".join(part) + b"\n" for part in (GOOD[:5], GOOD[5:])]

    drop = dropped(world, b"".join(pack(piece) for piece in pieces), name)

    assert (drop["status"], drop["lines"]) == ("collected", 12)
    assert added(world) == 12


@pytest.mark.parametrize("on_invalid", ["reject", "skip"])
@pytest.mark.parametrize(("name", "pack"), [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.compress)])
def test_a_file_that_is_cut_off_adds_nothing_whatever_the_dataset_says(
    name: str, pack: Any, on_invalid: str, world: World
) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", SKIP | {"on_invalid": on_invalid})

    drop = dropped(world, pack(b"\n".join(GOOD * 50))[:-20], name)

    [(line, code, message)] = told(drop)
    assert (code, drop["status"], drop["examples"]) == ("corrupt_compression", "rejected", 0)
    assert "could not be unpacked to its end" in message
    assert line <= len(GOOD) * 50
    assert added(world) == 0


def test_a_bomb_rejects_good_lines_before_it_though_bad_ones_are_skipped(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", SKIP)
    pieces = [b"\n".join(GOOD) + b"\nno\n", bytes(64 << 20)]

    drop = dropped(world, b"".join(zstandard.compress(piece) for piece in pieces), "a.zst")

    assert [(line, code) for line, code, _ in told(drop)] == [
        (13, "compression_ratio_too_high"),
        (13, "invalid_json"),
    ]
    assert (drop["status"], drop["examples"], drop["problem_count"]) == ("rejected", 0, 2)
    assert added(world) == 0


def test_reading_goes_on_behind_a_line_that_is_too_long(world: World) -> None:
    content = b"\n".join([GOOD[0], b"x" * (LINE_BYTES + 1), b"no", GOOD[1]])

    drop = dropped(world, content)

    assert [(line, code) for line, code, _ in told(drop)] == [(2, "line_too_long"), (3, "invalid_json")]
    assert drop["lines"] == 4


def test_a_dataset_may_skip_what_it_cannot_use(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", SKIP)

    drop = dropped(world, with_line(7, b"no"))

    assert [(line, code) for line, code, _ in told(drop)] == [(7, "invalid_json")]
    assert (drop["status"], drop["lines"], drop["examples"], drop["problem_count"]) == ("collected", 13, 12, 1)
    assert added(world) == 12


def test_a_file_of_bad_lines_alone_is_rejected_though_they_are_skipped(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", SKIP)

    drop = dropped(world, b"no\n" * 130)

    assert (drop["status"], drop["problem_count"], len(drop["problems"])) == ("rejected", 130, 100)
    assert added(world) == 0


def test_what_becomes_of_bad_lines_is_a_setting_of_the_dataset(world: World) -> None:
    item = "/v1/datasets/support"
    made = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    changed = world.call("PATCH /v1/datasets/{dataset}", item, {"on_invalid": "skip"})
    unknown = world.call("PATCH /v1/datasets/{dataset}", item, {"on_invalid": "guess"})
    other = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_invalid": "reject"})

    assert (made.body["on_invalid"], changed.body["on_invalid"]) == ("reject", "skip")
    assert (unknown.status, unknown.body["error"]["param"], other.status) == (422, "on_invalid", 409)
    assert world.call("GET /v1/datasets/{dataset}", item).body["on_invalid"] == "skip"


def test_a_file_is_read_within_the_time_left_and_says_when_that_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.world.Context.get_remaining_time_in_millis", lambda _: 20_000)

    drop = dropped(world, b"\n".join(GOOD))

    assert told(drop) == [
        (1, "took_too_long", "Reading came this far in the time that there is. Drop the file in parts.")
    ]
    assert (drop["status"], added(world)) == ("rejected", 0)


def test_a_line_tells_a_hundred_of_its_problems_at_most(world: World) -> None:
    fields = {f"field-{number}": 0 for number in range(500)}
    lines = [json.dumps({**chat("a", "b"), **fields}), json.dumps({"messages": [0] * 500})]

    drop = dropped(world, "\n".join(lines).encode())

    assert (drop["problem_count"], len(drop["problems"])) == (200, 100)
