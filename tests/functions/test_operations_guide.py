"""The guide for operators: what it tells them to type works on what the code writes."""

import re
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.access_log import LINE
from tests.functions import steps
from tests.world import TABLE, World, invoke
from tuneloop.cli.commands import cli
from tuneloop.store.keys import UNRELAYED

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
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


def test_restored_rows_are_put_back_and_events_are_not_sent_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [script] = blocks("python")
    steps.settled(world, steps.questions(12))
    before = copied(f"{TABLE}-restored")
    for row in rows(TABLE):
        world.dynamodb.delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})
    monkeypatch.setenv("TABLE", TABLE)

    exec(script, {})  # the guide's own lines

    after = rows(TABLE)
    relayed = [row for row in before if "event_type" in row and row.get("sweep_pk", {}).get("S") != UNRELAYED]
    assert relayed
    assert keys_of(after) == keys_of(before) - keys_of(relayed)


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
    text = (Path(__file__).parents[2] / "docs" / f"{guide}.md").read_text("utf-8")

    first = next(line for line in text.splitlines() if "STAGE=" in line and "tuneloop" not in line.split("#")[0])

    assert "TUNELOOP_STAGE=" in text[text.index(first) :].split("```")[0]


def test_links_within_the_guide_lead_somewhere() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)}

    assert set(re.findall(r"\]\(#([\w-]+)\)", GUIDE)) - headings == set()


def rows(table: str) -> list[dict[str, Any]]:
    found: list[Any] = boto3.client("dynamodb").scan(TableName=table)["Items"]
    return found


def copied(table: str) -> list[dict[str, Any]]:
    """All rows as they are now, in a table of that name."""
    client: Any = boto3.client("dynamodb")
    described = client.describe_table(TableName=TABLE)["Table"]
    client.create_table(
        TableName=table,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for row in rows(TABLE):
        client.put_item(TableName=table, Item=row)
    return rows(table)


def keys_of(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["pk"]["S"], row["sk"]["S"]) for row in found}
