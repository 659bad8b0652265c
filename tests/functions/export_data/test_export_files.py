"""Files out: under names that people know, in the formats that others read, and by category."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from export_data import convert
from tests.examples import chat
from tests.functions import review_steps, steps
from tests.functions.datasets import collect
from tests.functions.exports import EXPORTS, freeze_export, read_export, split_lines
from tests.world import BUCKET, Answer, World
from tuneloop.app import app

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}


def pair(number: int, **ours: Any) -> dict[str, Any]:
    given = {"messages": [{"role": "user", "content": f"Where is the parcel of {number * 7919}?"}]}
    answers = ({"role": "assistant", "content": text} for text in (f"At the door of {number}.", "Dunno."))
    preferred, other = ([answer] for answer in answers)
    return {"input": given, "preferred_output": preferred, "non_preferred_output": other, **ours}


def converted(world: World, found: dict[str, Any], **query: str) -> Answer:
    path = f"{EXPORTS}/{found['id']}"
    return world.call("GET /v1/datasets/{dataset}/exports/{export}", path, **query)


def lines_at(world: World, url: str) -> list[dict[str, Any]]:
    key = urlsplit(url).path.removeprefix("/").removeprefix(f"{BUCKET}/")
    body = world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_files_are_downloaded_under_the_names_and_the_day_of_their_export(world: World) -> None:
    collect(world, steps.questions(60))

    found = freeze_export(world)

    names = {
        split: parse_qs(urlsplit(file["url"]).query)["response-content-disposition"][0]
        for split, file in found["files"].items()
    }
    day = found["created_at"][:10]
    assert names["train"] == f'attachment; filename="training-data-{day}.jsonl"'
    assert names["test"] == f'attachment; filename="test-data-{day}.jsonl"'


def test_an_export_in_bedrock_s_format_counts_what_stays_behind(world: World) -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    with_calls = [
        {"messages": [{"role": "user", "content": f"Find parcel {n} for me."}, calling], "tools": [TOOL]}
        for n in range(5)
    ]
    collect(world, [*steps.questions(60), *with_calls])
    found = freeze_export(world)

    answer = converted(world, found, format="bedrock-conversation").body

    written = [line for file in answer["files"].values() for line in lines_at(world, file["url"])]
    assert answer["conversion"] == {
        "format": "bedrock-conversation",
        "category": None,
        "lost": {},
        "left_out": {"tool_calls": 5},
    }
    assert len(written) == sum(file["examples"] for file in answer["files"].values()) == 60
    assert {line["schemaVersion"] for line in written} == {"bedrock-conversation-2024"}
    assert {file["tokens"] for file in answer["files"].values()} == {None}


def test_one_category_comes_in_files_of_its_own_split_as_the_export_is(world: World) -> None:
    collect(world, steps.questions(60, category="parcels"))
    others = [chat(f"Which card is number {n * 7919}?", "blue", category="cards") for n in range(60)]
    collect(world, others, name="cards.jsonl")
    found = freeze_export(world)

    answer = converted(world, found, category="cards").body

    for split, file in answer["files"].items():
        expected = [line for line in split_lines(world, found, split) if "card" in line["messages"][0]["content"]]
        assert lines_at(world, file["url"]) == expected
    assert sum(file["examples"] for file in answer["files"].values()) == 60
    assert answer["conversion"]["format"] == "openai-sft"


def test_a_category_that_an_export_has_nothing_of_is_named(world: World) -> None:
    collect(world, steps.questions(30, category="parcels"))
    found = freeze_export(world)

    answer = converted(world, found, category="loans")

    assert (answer.status, answer.body["error"]["param"]) == (404, "category")
    assert "loans" not in answer.text


def test_the_format_that_an_export_has_is_no_conversion(world: World) -> None:
    collect(world, steps.questions(30))
    found = freeze_export(world)

    answer = converted(world, found, format="openai-sft").body

    assert answer["conversion"] is None
    assert answer["files"]["train"]["sha256"] == found["files"]["train"]["sha256"]


def test_pairs_alone_make_an_export_of_preference_lines(world: World) -> None:
    collect(world, map(pair, range(60)))

    found = freeze_export(world)

    written = [line for split in found["files"] for line in split_lines(world, found, split)]
    assert found["kind"] == "preference"
    assert sorted(written, key=str) == sorted(map(pair, range(60)), key=str)
    sft = converted(world, found, format="openai-sft", category="").status
    assert sft == 422
    answer = converted(world, found, format="openai-sft").body
    assert answer["conversion"]["lost"] == {"non_preferred_output": 60}
    assert set(lines_at(world, answer["files"]["train"]["url"])[0]) == {"messages"}


def test_pairs_among_chats_are_left_out_and_counted_unless_the_policy_asks(world: World) -> None:
    collect(world, [*steps.questions(60), *map(pair, range(20))])

    supervised = freeze_export(world)
    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": {"kind": "preference"}})
    pairs = freeze_export(world)

    assert (supervised["kind"], supervised["left_out"]) == ("supervised", {"other_kind": 20})
    assert (pairs["kind"], pairs["left_out"]) == ("preference", {"other_kind": 60})
    assert sum(file["examples"] for file in pairs["files"].values()) == 20


def test_a_category_of_pairs_comes_as_pairs(world: World) -> None:
    collect(world, [pair(n, category="even" if n % 2 == 0 else "odd") for n in range(20)])
    found = freeze_export(world)

    answer = converted(world, found, category="odd").body

    written = [line for file in answer["files"].values() for line in lines_at(world, file["url"])]
    assert sorted(written, key=str) == sorted((pair(n) for n in range(20) if n % 2), key=str)


def test_what_nobody_can_convert_is_refused_with_the_reason(world: World) -> None:
    collect(world, steps.questions(30))
    found = freeze_export(world)

    answer = converted(world, found, format="openai-preference")
    unknown = converted(world, found, format="docx")

    assert (answer.status, answer.body["error"]["code"]) == (409, "not_a_preference_export")
    assert unknown.status == 422


def test_what_would_take_too_long_is_refused_with_another_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(world, steps.questions(30))
    found = freeze_export(world)
    monkeypatch.setattr(convert, "CONVERTED_BYTES", 10)
    monkeypatch.setattr(convert, "CONVERTED_EXAMPLES", 10)

    whole, category = converted(world, found, format="bedrock-conversation"), converted(world, found, category="a")

    assert (whole.status, category.status) == (413, 413)
    assert "tuneloop convert" in whole.body["error"]["message"]
    assert "categories" in category.body["error"]["message"]


def test_a_decision_on_the_category_counts(world: World) -> None:
    collect(world, steps.questions(30, category="parcels"))
    (example,) = review_steps.page(world, limit="1")
    review_steps.reviewed(world, review_steps.on(example, category="cards"))
    found = freeze_export(world)

    cards = converted(world, found, category="cards").body

    assert sum(file["examples"] for file in cards["files"].values()) == 1
    assert read_export(world, found["id"])["files"] != cards["files"]
    assert app.exports.get("acme", "support", found["id"]).revision == 2
