"""`tuneloop drops`: what became of dropped files, as the API tells it, and the hint that leads there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.examples import chat
from tests.functions.gateway import serve_gateway
from tests.world import World
from tuneloop.app import app
from tuneloop.cli.commands import cli

Command = Callable[..., Result]


@pytest.fixture
def run(world: World) -> Iterator[Command]:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    with serve_gateway() as url:
        told = {"TUNELOOP_BASE_URL": url, "TUNELOOP_API_KEY": world.key, "COLUMNS": "160"}
        yield lambda *words: CliRunner().invoke(cli, list(words), env=told)


def test_dropping_a_file_names_the_command_that_shows_it(run: Command, tmp_path: Path) -> None:
    file = tmp_path / "week-47.jsonl"
    file.write_text(json.dumps(chat("a", "b")))

    dropped = run("drop", "acme", "support", str(file), "--stage", "test")
    hint = dropped.output.splitlines()[-1].removeprefix("What becomes of it: tuneloop ").split()

    assert dropped.exit_code == 0, dropped.output
    assert hint == ["drops", "list", "support"]
    assert run(*hint).exit_code == 0


def test_drops_are_listed_with_their_first_problems(run: Command, world: World) -> None:
    world.drop("support", [chat("a", "b")], "good.jsonl")
    world.drop("support", [{"messages": []}] * 5, "bad[1].jsonl")

    listed = run("drops", "list", "support").output

    assert "support/good.jsonl  collected  1 lines, 1 examples, 0 problems" in listed
    assert "support/bad[1].jsonl  rejected  5 lines, 0 examples, 5 problems" in listed
    assert [f"line {number}" in listed for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert "2 more: tuneloop drops show support drop-" in listed


def test_a_drop_is_shown_whole(run: Command, world: World) -> None:
    world.drop("support", [{"messages": []}] * 5)
    [drop] = app.datasets.drops(world.tenant, "support", 5, None).data

    shown = json.loads(run("drops", "show", "support", drop.id).output)

    assert (shown["id"], len(shown["problems"])) == (drop.id, 5)


def test_a_dataset_without_drops_says_so(run: Command) -> None:
    assert "support has no drops yet" in run("drops", "list", "support").output


def test_a_limit_is_a_plain_number(run: Command) -> None:
    assert run("drops", "list", "support", "--limit", "1_0").exit_code == 2
    assert run("drops", "list", "support", "--limit", "101").exit_code == 2
