"""One line gets one verdict, the same code at the same path, wherever an example can come in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.examples import chat
from tests.functions import steps
from tests.functions.line_cases import KINDS, Case
from tests.functions.record_usage.usage_messages import inference_id
from tests.world import World
from tuneloop.cli.commands import cli
from tuneloop.domain.chat.examples import OWN_FIELDS, Example, read_example
from tuneloop.domain.chat.rules.conversations import TOOL_LISTS

# What an entry said of each line that it can carry, by the line's number: None is that it was taken.
Verdicts = dict[int, tuple[str, str] | None]
Entry = Callable[[World, Path, dict[int, Any]], Verdicts]
HEAD = b'--form\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
FILE = b'--form\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'


def by_validate(_: World, folder: Path, lines: dict[int, Any]) -> Verdicts:
    """`tuneloop validate`, one file a line."""
    return {number: _reported(_ran("validate", folder, line, "--json")) for number, line in lines.items()}


def by_estimate(_: World, folder: Path, lines: dict[int, Any]) -> Verdicts:
    """`tuneloop estimate`, which names the path and the code of the first problem of a file without an example."""
    return {number: _told(_ran("estimate", folder, line).stderr) for number, line in lines.items()}


def by_convert(_: World, folder: Path, lines: dict[int, Any]) -> dict[int, bool]:
    """`tuneloop convert`, which counts what it leaves out and carries no code: whether it took the line."""
    return {
        number: _ran("convert", folder, line, "--to", "openai-sft").exit_code == 0 for number, line in lines.items()
    }


def by_post(world: World, _: Path, lines: dict[int, Any]) -> Verdicts:
    """`POST /v1/datasets/{dataset}/examples`."""
    return {number: _refused(_post(world, line), "examples[0]") for number, line in lines.items()}


def by_drop(world: World, _: Path, lines: dict[int, Any]) -> Verdicts:
    """A file below `incoming/`."""
    for number, line in lines.items():
        world.drop("dropped", json.dumps(line).encode(), f"line-{number}.jsonl")
    found = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/dropped/drops", limit="100").body["data"]
    drops = {int(drop["object"].rpartition("-")[2].removesuffix(".jsonl")): drop for drop in found}
    return {number: _first(drops[number]["problems"]) for number in lines}


def by_files(world: World, _: Path, lines: dict[int, Any]) -> Verdicts:
    """`POST /v1/files`, which says place and code in its message, since OpenAI's codes are others."""
    found: Verdicts = {}
    for number, line in lines.items():
        body = HEAD + FILE + json.dumps(line).encode() + b"\r\n--form--\r\n"
        answer = world.call("POST /v1/files", "/v1/files", body)
        found[number] = None if answer.status == 200 else _told(answer.body["error"]["message"])
    return found


def by_feedback(world: World, _: Path, lines: dict[int, Any]) -> Verdicts:
    """`POST /v1/feedback`, which carries what was asked, tools and an answer that is a text, but no other field."""
    steps.registered(world)
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    found: Verdicts = {}
    for number, line in lines.items():
        if not _is_feedback(line):
            continue
        *asked, last = line["messages"]
        given = {name: line[name] for name in TOOL_LISTS if name in line}
        body = {
            "inference_id": inference_id(f"a{number}"),
            "messages": asked,
            "answer": last["content"],
            "correct": True,
        }
        found[number] = _refused(world.call("POST /v1/feedback", "/v1/feedback", {**body, **given}), "")
    return found


def by_edit(world: World, _: Path, lines: dict[int, Any]) -> Verdicts:
    """`POST /v1/datasets/{dataset}/reviews`, which carries an example's content and none of the fields beside it."""
    steps.settled(world, [chat("Where is it?", "here")], "edited")
    listing = world.call("GET /v1/datasets/{dataset}/examples", "/v1/datasets/edited/examples")
    example = listing.body["data"][0]["id"]
    found: Verdicts = {}
    version = 0
    for number, line in lines.items():
        if not isinstance(line, dict) or any(line.get(name) is not None for name in OWN_FIELDS):
            continue
        review = {"example": example, "version": version, "content": line}
        body = {"reviewer": "desk", "reviews": [review]}
        answer = world.call("POST /v1/datasets/{dataset}/reviews", "/v1/datasets/edited/reviews", body)
        found[number] = _refused(answer, "reviews[0].content")
        version += found[number] is None
    return found


ENTRIES: list[Entry] = [by_validate, by_estimate, by_post, by_drop, by_files, by_feedback, by_edit]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_line_gets_one_verdict_at_every_entry(kind: str, entry: Entry, world: World, tmp_path: Path) -> None:
    cases = KINDS[kind]

    found = entry(world, tmp_path, {number: case.line for number, case in enumerate(cases)})

    assert len(found) >= (3 if entry in (by_feedback, by_edit) else 8)
    assert found == {number: _expected(cases[number]) for number in found}


@pytest.mark.parametrize("kind", KINDS)
def test_convert_takes_what_the_other_entries_take(kind: str, world: World, tmp_path: Path) -> None:
    found = by_convert(world, tmp_path, {number: case.line for number, case in enumerate(KINDS[kind])})

    assert found == {number: case.code is None for number, case in enumerate(KINDS[kind])}


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_lines_of_a_kind_differ_in_a_text_alone(kind: str) -> None:
    shapes = [json.dumps(_shape(case.line)) for case in KINDS[kind]]

    assert len(shapes) >= 8
    assert len(set(shapes)) == len(shapes)


def test_an_example_has_one_id_at_every_entry(world: World) -> None:
    cases = [case for kind in KINDS.values() for case in kind if case.same_as]
    ids = {_id_of(case.same_as) for case in cases}

    for number, case in enumerate(cases):
        world.drop("all", [case.line], f"line-{number}.jsonl")
        assert _post(world, case.line, "all").status == 202
        assert _id_of(case.line) == _id_of(case.same_as)
    world.settle()

    found = world.call("GET /v1/datasets/{dataset}/examples", "/v1/datasets/all/examples", limit="100").body
    assert {example["id"] for example in found["data"]} == ids
    assert "null" not in json.dumps([_plain(example["content"]) for example in found["data"]])


def _ran(command: str, folder: Path, line: Any, *options: str) -> Any:
    file = folder / "line.jsonl"
    file.write_text(json.dumps(line), "utf-8")
    (folder / "line.openai-sft.jsonl").unlink(missing_ok=True)
    return CliRunner().invoke(cli, [command, str(file), *options])


def _reported(done: Any) -> tuple[str, str] | None:
    found = _first(json.loads(done.stdout)["errors"])
    assert (done.exit_code == 0) == (found is None)
    return found


def _first(problems: list[Any]) -> tuple[str, str] | None:
    return (problems[0]["code"], problems[0]["path"]) if problems else None


def _told(text: str) -> tuple[str, str] | None:
    """The code and the path in a refusal's words: `line 1, PATH: what is wrong [CODE]`."""
    if not text.strip():
        return None
    where, _, rest = text.partition("line 1")[2].partition(": ")
    path = where.removeprefix(", ").removeprefix("$").removeprefix(".")
    return rest.rpartition("[")[2].partition("]")[0], _path(path)


def _refused(answer: Any, place: str) -> tuple[str, str] | None:
    if answer.status < 300:
        return None
    assert answer.status == 422, answer.text
    error = answer.body["error"]
    assert error["param"].startswith(place)
    return error["code"], _path(error["param"].removeprefix(place).removeprefix("."))


def _path(place: str) -> str:
    return f"$.{place}" if place else "$"


def _post(world: World, line: Any, dataset: str = "posted") -> Any:
    route = "POST /v1/datasets/{dataset}/examples"
    return world.call(route, f"/v1/datasets/{dataset}/examples", {"examples": [line]})


def _is_feedback(line: Any) -> bool:
    if not isinstance(line, dict) or not line.keys() <= {"messages", *TOOL_LISTS}:
        return False
    messages = line.get("messages")
    if not isinstance(messages, list) or len(messages) < 2 or not isinstance(last := messages[-1], dict):
        return False
    asks = not isinstance(messages[-2], dict) or messages[-2].get("role") != "assistant"
    return asks and last.keys() == {"role", "content"} and isinstance(last["content"], str)


def _expected(case: Case) -> tuple[str, str] | None:
    return (case.code, case.path) if case.code else None


def _id_of(line: Any) -> str:
    found = read_example(line, 1)
    assert isinstance(found, Example), found
    return found.id


def _shape(value: Any) -> Any:
    """A line with every text that isn't a key or a role for any other."""
    if isinstance(value, dict):
        return {key: inner if key in ("role", "type") else _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return "text" if isinstance(value, str) and value else value


def _plain(content: Any) -> Any:
    """Content without the JSON in which null is the user's own: schemas and texts."""
    if isinstance(content, dict):
        return {key: _plain(inner) for key, inner in content.items() if key != "parameters"}
    return [_plain(inner) for inner in content] if isinstance(content, list) else None if content is None else ""
