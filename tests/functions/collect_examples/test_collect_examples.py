"""collect-examples through its real entry point."""

import json
from io import StringIO
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.world import BUCKET, Answer, World, invoke, sqs_event
from tuneloop.app import app

ITEM, DROPS, EXAMPLES = "/v1/datasets/support", "/v1/datasets/support/drops", "/v1/datasets/support/examples"
SAID = {"role": "assistant", "content": "b"}


def dataset(world: World, name: str = "support") -> dict[str, Any]:
    body: dict[str, Any] = world.call("GET /v1/datasets/{dataset}", f"/v1/datasets/{name}").body
    return body


def post(world: World, *examples: Any) -> Answer:
    return world.call("POST /v1/datasets/{dataset}/examples", EXAMPLES, {"examples": examples})


def settle_after(world: World, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_SETTLE_S", str(seconds))
    app.__dict__.pop("settings", None)
    world.schedule("collect-examples")
    world.settle()


def test_a_drop_makes_its_dataset_and_counts_its_examples(world: World) -> None:
    world.drop("support", steps.questions(12))

    found = dataset(world)
    assert (found["examples"], found["revision"], found["on_drop"]) == (12, 1, "train")
    models = world.call("GET /v1/models", "/v1/models").body["data"]
    assert [model["id"] for model in models] == ["support"]


def test_a_new_file_of_the_same_name_is_another_drop(world: World) -> None:
    world.drop("support", steps.questions(12))

    world.drop("support", steps.questions(20))

    assert [drop["examples"] for drop in steps.drops(world)] == [20, 12]
    assert dataset(world)["revision"] == 2


@pytest.mark.parametrize("name", ["week 47.jsonl", "week+47.jsonl", "week%2047.jsonl", "wöche.jsonl"])
def test_a_file_is_found_under_the_very_name_that_it_has(name: str, world: World) -> None:
    world.drop("support", steps.questions(12), name=name)

    assert dataset(world)["examples"] == 12


def test_a_bad_line_is_named_and_its_file_adds_nothing(world: World) -> None:
    world.drop("support", b'{"messages": [{"role": "user", "content": "hi"}]}\nnot json\n')

    [drop] = steps.drops(world)
    assert (drop["status"], drop["examples"], drop["problem_count"]) == ("rejected", 0, 2)
    assert [(problem["line"], problem["code"]) for problem in drop["problems"]] == [
        (1, "no_assistant_message"),
        (2, "invalid_json"),
    ]
    assert dataset(world)["revision"] == 0


@pytest.mark.parametrize(
    "line",
    [
        chat("a", "b", colour="red"),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}, SAID]},
        {"messages": [{"role": ["user"], "content": "a"}, SAID]},
        {"messages": "a"},
        ["a"],
        None,
    ],
)
def test_whatever_a_line_holds_it_is_a_problem_and_no_crash(line: Any, world: World) -> None:
    world.drop("support", [*steps.questions(3), line])

    [drop] = steps.drops(world)
    assert drop["status"] == "rejected"
    assert {problem["line"] for problem in drop["problems"]} == {4}


def test_blank_lines_a_byte_order_mark_and_windows_ends_are_forgiven(world: World) -> None:
    lines = [json.dumps(line).encode() for line in steps.questions(3)]

    world.drop("support", b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines) + b"\r\n")

    assert dataset(world)["examples"] == 3


def test_only_the_first_hundred_problems_are_kept_and_all_are_counted(world: World) -> None:
    world.drop("support", b"nothing\n" * 130)

    [drop] = steps.drops(world)
    assert (drop["problem_count"], len(drop["problems"])) == (130, 100)


def test_posted_examples_arrive_through_the_queue_once(world: World) -> None:
    answers = [post(world, *steps.questions(3)) for _ in range(2)]
    world.settle()

    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].body["id"] == answers[1].body["id"]
    assert dataset(world)["examples"] == 3


def test_the_message_of_a_post_names_its_lines_and_holds_none(world: World) -> None:
    drop = post(world, *(chat(f"{n} " + "long " * 500, "yes") for n in range(100))).body["id"]

    url = world.sqs.get_queue_url(QueueName="tuneloop-test-examples")["QueueUrl"]
    [message] = world.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert json.loads(message["Body"]) == {"collect": {"tenant": "acme", "dataset": "support", "drop": drop}}
    world.settle()
    assert dataset(world)["examples"] == 100


def test_a_post_that_is_delivered_again_is_not_read_again(world: World) -> None:
    drop = post(world, *steps.questions(2)).body["id"]
    told = json.dumps({"collect": {"tenant": "acme", "dataset": "support", "drop": drop}})
    world.settle()
    world.s3.delete_object(Bucket=BUCKET, Key=f"posted/acme/support/{drop}.jsonl")

    assert invoke("collect-posts", sqs_event("examples", told)) == {"batchItemFailures": []}
    assert post(world, *steps.questions(2)).body["status"] == "collected"


def test_a_post_whose_lines_are_gone_fails_and_is_no_empty_one(world: World) -> None:
    drop = post(world, *steps.questions(2)).body["id"]
    told = json.dumps({"collect": {"tenant": "acme", "dataset": "support", "drop": drop}})
    world.s3.delete_object(Bucket=BUCKET, Key=f"posted/acme/support/{drop}.jsonl")

    assert invoke("collect-posts", sqs_event("examples", told)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert [drop["status"] for drop in steps.drops(world)] == ["reading"]


def test_a_bad_example_is_named_and_nothing_of_its_post_is_taken(world: World) -> None:
    bad = {"messages": [{"role": "user", "content": "a"}, {"role": "assistent", "content": "b"}]}

    answer = post(world, *steps.questions(2), bad)
    world.settle()

    assert (answer.status, answer.body["error"]["param"]) == (422, "examples[2].messages[1].role")
    assert dataset(world)["examples"] == 0


@pytest.mark.parametrize("text", ['"\\ud800"', '"a", "n": 99999999999999999999999'])
def test_what_cannot_be_written_as_a_line_is_refused(text: str, world: World) -> None:
    body = f'{{"examples": [{{"messages": [{{"role": "user", "content": {text}}}, {json.dumps(SAID)}]}}]}}'

    assert world.call("POST /v1/datasets/{dataset}/examples", EXAMPLES, body).status == 422


def test_a_message_that_fails_leaves_the_others_of_its_batch_done(world: World, log: StringIO) -> None:
    drop = post(world, *steps.questions(2)).body["id"]
    good = {"collect": {"tenant": "acme", "dataset": "support", "drop": drop}}
    bad = {"collect": {"tenant": "acme", "dataset": "support", "drop": "drop-of-nobody"}}
    events = [sqs_event("examples", json.dumps(body), name) for name, body in (("bad", bad), ("good", good))]

    answer = invoke("collect-posts", {"Records": [event["Records"][0] for event in events]})

    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert dataset(world)["examples"] == 2
    assert '"error":"NotFound"' in log.getvalue()


def test_changes_settle_once_when_their_dataset_has_been_quiet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop("support", steps.questions(3))

    settle_after(world, 60, monkeypatch)
    assert world.delivered == []
    for _ in range(2):
        settle_after(world, 0, monkeypatch)

    assert world.delivered.count("DatasetSettled") == 1


def test_a_reminder_in_the_queue_settles_what_it_was_left_for(world: World) -> None:
    world.drop("support", steps.questions(3))
    reminder = json.dumps({"settle": {"tenant": "acme", "dataset": "support"}})

    for _ in range(2):
        assert invoke("collect-posts", sqs_event("examples", reminder)) == {"batchItemFailures": []}
    world.settle()

    assert world.delivered.count("DatasetSettled") == 1


def test_changes_wait_for_the_run_that_is_open_and_settle_when_it_ends(live: World) -> None:
    steps.settled(live, steps.questions(20))
    [first] = steps.runs(live)
    live.drop("support", [chat("And this one?", "late")], name="more.jsonl")
    live.schedule("collect-examples")
    live.settle()
    assert live.delivered.count("DatasetSettled") == 1

    steps.followed(live, first["id"])
    live.settle()

    assert live.delivered.count("DatasetSettled") == 2
    assert [run["export"] == first["export"] for run in steps.runs(live)] == [False, True]


def test_a_dataset_that_only_collects_is_frozen_and_not_trained(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})

    steps.settled(world, steps.questions(20))

    assert dataset(world)["exported_revision"] == 1
    assert steps.runs(world) == []


def test_where_training_has_a_price_drops_are_only_collected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_PROVIDER", "openai")
    app.__dict__.pop("settings", None)

    world.drop("support", steps.questions(3))

    assert dataset(world)["on_drop"] == "collect"


def test_settings_are_changed_and_read_back(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    changed = world.call("PATCH /v1/datasets/{dataset}", ITEM, {"on_drop": "collect", "max_run_usd": "2.50"})

    assert changed.status == 200
    assert (dataset(world)["on_drop"], dataset(world)["max_run_usd"]) == ("collect", 2.5)


def test_creating_a_dataset_that_exists_gives_it_as_it_is(world: World) -> None:
    first = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})

    again = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    assert again.body == first.body


def test_a_list_comes_in_pages(world: World) -> None:
    for name in ("a", "b", "c"):
        world.call("POST /v1/datasets", "/v1/datasets", {"id": name})

    first = world.call("GET /v1/datasets", "/v1/datasets", limit="2").body
    rest = world.call("GET /v1/datasets", "/v1/datasets", limit="2", cursor=first["next_cursor"]).body

    assert [found["id"] for found in first["data"] + rest["data"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None
