"""The guide for operators: what it tells them to type works on what the code writes."""

import re
import shutil
import subprocess
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from infra.access_log import LINE
from tests.world import World, invoke
from tuneloop.cli.commands import cli

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "operations.md").read_text("utf-8")
WORDS_OF_INSIGHTS = {
    "filter", "fields", "stats", "sort", "limit", "by", "as", "and", "or", "like", "desc", "asc", "count", "latest",
    "max", "pct",
}  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def fields_of(query: str) -> set[str]:
    """The fields that a query reads: no word of its language, no text, no number, no name that it gives itself."""
    bare = re.sub(r'"[^"]*"|/(?:\\.|[^/\n])+/(?=\s|$)', " ", query)
    given = set(re.findall(r"\bas (\w+)", bare))
    words = set(re.findall(r"(?<![\w@.])[a-zA-Z_]\w*", bare))
    return words - WORDS_OF_INSIGHTS - given


def test_queries_ask_for_fields_that_the_functions_log(world: World, log: StringIO) -> None:
    world.call("GET /v1/datasets", "/v1/datasets")
    world.schedule("relay-events")
    with pytest.raises(Exception, match="ValueError"):
        invoke("relay-events", {"strange": True})
    written = set(re.findall(r'"(\w+)":', log.getvalue()))

    asked = set[str]().union(*(fields_of(query) for query in blocks("logs")))

    assert {"message", "service", "error", "route", "status", "correlation_id"} <= asked
    assert asked <= written
    for said in ("answered", "done", "failed"):
        assert f'"message":"{said}"' in log.getvalue()


def test_queries_of_the_access_log_ask_for_what_it_has() -> None:
    [query] = blocks("access-log")

    assert {"ip", "route", "status"} <= fields_of(query) <= set(LINE)


# The `aws` command as far as `ask` needs it: it writes down what it was asked, each word on a line of its own.
AWS = """#!/bin/sh
printf '%s\\n' "$@" >> "$ASKED"; echo "--" >> "$ASKED"
case "$2" in
  list-stack-resources) printf '/aws/lambda/tuneloop-prod-evaluate\\t/aws/vendedlogs/tuneloop-prod-api\\t'
    printf '/aws/lambda/tuneloop-prod-relay-events\\n' ;;
  start-query) echo an-id ;;
  get-query-results) case "$*" in
      *"--query status"*) [ "$(grep -c status "$ASKED")" -gt 3 ] && echo Complete || echo Scheduled ;;
      *) echo the answer ;;
    esac ;;
esac
"""


def asked(folder: Path, shell: list[str], lines: str) -> tuple[str, list[list[str]]]:
    """What `ask` prints in a shell, and the calls of `aws` that it makes."""
    [definition] = [block for block in blocks("sh") if "ask() {" in block]
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    (folder / "sleep").symlink_to("/bin/true")
    env = {"PATH": f"{folder}:/usr/bin:/bin", "ASKED": str(folder / "asked")}
    command = [*shell, f"{definition}\n{lines}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=True)
    calls = (folder / "asked").read_text().removesuffix("--\n").split("--\n")
    return done.stdout, [call.splitlines() for call in calls]


SHELLS = [["bash", "-c"], ["dash", "-c"], ["zsh", "-c"]]


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell[0])])
@pytest.mark.parametrize("split", ["", "IFS="])  # zsh splits no words, as a shell without separators doesn't
def test_ask_asks_the_logs_of_the_stage_s_own_functions_in_any_shell(
    tmp_path: Path, shell: list[str], split: str
) -> None:
    said, calls = asked(tmp_path, shell, f"{split}\nask 'filter message = \"failed\"' 3")

    assert said == "the answer\n"
    [start] = [call for call in calls if "start-query" in call]
    groups = start[start.index("--log-group-names") + 1 :]
    assert groups == ["/aws/lambda/tuneloop-prod-evaluate", "/aws/lambda/tuneloop-prod-relay-events"]
    assert start[start.index("--query-string") + 1] == 'filter message = "failed"'
    times = [int(start[start.index(f"--{end}-time") + 1]) for end in ("start", "end")]
    assert 3 * 3600 <= times[1] - times[0] <= 3 * 3600 + 5
    assert sum("status" in call for call in calls) == 4


def test_ask_stops_asking_a_query_that_never_ends(tmp_path: Path) -> None:
    _, calls = asked(tmp_path, ["bash", "-c"], 'aws() { command aws "$@" > /dev/null; echo Running; }\nask x')

    assert 100 < sum("status" in call for call in calls) < 200


def test_what_the_guide_uses_it_defines_first() -> None:
    assert GUIDE.index("ask() {") < GUIDE.index("ask '")
    assert "until aws" not in GUIDE


def test_make_commands_of_the_guide_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", GUIDE, re.M))

    assert {"stop", "start", "restore"} <= named
    assert named - targets == set()


def test_commands_of_ours_exist_with_the_options_that_are_named() -> None:
    import typer  # noqa: PLC0415

    group: Any = typer.main.get_command(cli)
    told = {re.sub(r"[`#|].*", "", line).strip() for line in re.findall(r"\btuneloop ((?:[a-z]+ ?)+[^\n`]*)", GUIDE)}
    commands = [line.split() for line in told if line.split()[0] in group.commands]

    assert Counter(words[0] for words in commands).keys() >= {"redrive", "runs", "drops", "keys"}
    for first, *rest in commands:
        command = group.commands[first]
        command = command.commands[rest[0]] if hasattr(command, "commands") else command
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, (first, rest)


@pytest.mark.parametrize("guide", ["operations", "security"])
def test_a_stage_that_is_named_once_is_the_one_that_tuneloop_works_on(guide: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / f"{guide}.md").read_text("utf-8")

    first = next(line for line in text.splitlines() if "STAGE=" in line and "tuneloop" not in line.split("#")[0])

    assert "TUNELOOP_STAGE=" in text[text.index(first) :].split("```")[0]


def test_links_within_the_guide_lead_somewhere() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)}

    assert set(re.findall(r"\]\(#([\w-]+)\)", GUIDE)) - headings == set()
