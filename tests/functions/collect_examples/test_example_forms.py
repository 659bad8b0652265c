"""Examples of every form, and the dataset's template: what it makes of them, and which version of it did."""

import json
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.world import Answer, World, invoke, sqs_event
from tuneloop.app import app
from tuneloop.domain.core.limits import TEMPLATE_BYTES
from tuneloop.domain.datasets.drops import DropStatus
from tuneloop.store.objects.segments import read_line

ROUTE, PATH = "PATCH /v1/datasets/{dataset}", "/v1/datasets/support"
SCHEMA = {"type": "object", "properties": {"why": {"type": "string"}, "year": {"type": "string"}}, "required": ["year"]}
TEMPLATE = {"system": "Name the year.", "user": "Card: {{input}}", "answer_schema": SCHEMA}
CARD = {"input": "a rookie", "output": {"year": "1986", "why": "the logo"}}
AS_MESSAGES = chat("Card: a rookie", '{"why":"the logo","year":"1986"}', "Name the year.")


@pytest.fixture(autouse=True)
def dataset(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})


def post(world: World, *examples: Any) -> Answer:
    return world.call("POST /v1/datasets/{dataset}/examples", f"{PATH}/examples", {"examples": examples})


def polled(world: World, drop: str, dataset: str = "support") -> Answer:
    return world.call("GET /v1/datasets/{dataset}/drops/{drop}", f"/v1/datasets/{dataset}/drops/{drop}")


def set_template(world: World, **template: Any) -> dict[str, Any]:
    answer = world.call(ROUTE, PATH, {"template": template})
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def contents(world: World) -> list[Any]:
    """The messages of every collected example."""
    segments = app.datasets.segments(world.tenant, "support", 1_000)
    return [read_line(line).example.messages for segment in segments for line in app.objects.lines(segment.key)]


def test_a_post_is_polled_until_it_is_collected(world: World) -> None:
    drop = post(world, *steps.questions(3)).body

    before = polled(world, drop["id"]).body
    world.settle()
    after = polled(world, drop["id"]).body

    assert (drop["status"], before["status"], after["status"], after["examples"]) == (
        "reading",
        "reading",
        "collected",
        3,
    )
    assert (polled(world, "drop-of-nobody").status, polled(world, drop["id"], "elsewhere").status) == (404, 404)


def test_a_question_with_its_answer_is_the_same_example_as_its_messages(world: World) -> None:
    simple = ({"user_message": "a", "assistant_response": "b"}, {"prompt": "a", "completion": "b"})
    for example in (chat("a", "b"), *simple):
        assert post(world, example).status == 202
        world.settle()

    assert contents(world) == [chat("a", "b")["messages"]]


def test_inputs_and_outputs_are_rendered_through_the_dataset_s_template(world: World) -> None:
    set_template(world, **TEMPLATE)

    drop = post(world, CARD).body
    world.settle()
    world.drop("support", [CARD], name="again.jsonl")

    assert contents(world) == [AS_MESSAGES["messages"]]
    assert (drop["template"], polled(world, drop["id"]).body["template"]) == (1, 1)


@pytest.mark.parametrize(
    ("example", "param", "code"),
    [
        ({"user_message": "a"}, "examples[1].assistant_response", "missing_text"),
        ({"prompt": "a", "completion": 1}, "examples[1].completion", "missing_text"),
        ({"input": {"input": None}, "output": {"year": "1"}}, "examples[1].input.input", "missing_input"),
        ({"user_message": "a", "assistant_response": ""}, "examples[1].assistant_response", "empty_answer"),
        ({"input": "a", "output": {"year": 1986}}, "examples[1].output.year", "breaks_answer_schema"),
        ({"input": "a", "output": "1986 or so"}, "examples[1].output", "answer_not_json"),
        ({"input": "a"}, "examples[1].output", "missing_output"),
        (chat("a", "b", quality=1.5), "examples[1].quality", "invalid_quality"),
        (chat("a", "b", source="correction"), "examples[1].source", "reserved_source"),
        (chat("a", "b", source="confirmation"), "examples[1].source", "reserved_source"),
    ],
)
def test_a_bad_example_of_any_form_is_named(example: Any, param: str, code: str, world: World) -> None:
    set_template(world, **TEMPLATE)

    error = post(world, CARD, example).body["error"]

    assert (error["param"], error["code"]) == (param, code)
    assert "1986" not in error["message"]


def test_without_a_template_inputs_are_refused_and_the_way_out_is_told(world: World) -> None:
    error = post(world, CARD).body["error"]

    assert (error["param"], error["code"]) == ("examples[0].input", "no_template")
    assert "PATCH /v1/datasets/{dataset}" in error["message"]


def test_a_template_is_read_back_with_its_version_and_its_schema_s_order(world: World) -> None:
    first = set_template(world, **TEMPLATE)
    same = set_template(world, **TEMPLATE)
    other = set_template(world, user="{{input}}?")

    assert first["template"] == same["template"] == {"version": 1, **TEMPLATE}
    assert list(first["template"]["answer_schema"]["properties"]) == ["why", "year"]
    assert other["template"] == {"version": 2, "system": None, "user": "{{input}}?", "answer_schema": None}
    assert world.call("GET /v1/datasets/{dataset}", PATH).body["template"] == other["template"]


def test_another_template_changes_nothing_that_is_there(world: World) -> None:
    set_template(world, **TEMPLATE)
    post(world, CARD)
    world.settle()

    assert set_template(world, user="{{input}}?")["revision"] == 1
    stored = app.datasets.get(world.tenant, "support")
    assert [len(stored.templates_at(revision)) for revision in (0, 1, 2)] == [1, 1, 2]


def test_posts_are_collected_as_checked_even_if_the_template_changes(world: World) -> None:
    set_template(world, **TEMPLATE)
    drop = post(world, CARD).body

    set_template(world, user="{{title}}")
    world.settle()

    assert contents(world) == [AS_MESSAGES["messages"]]
    assert polled(world, drop["id"]).body["template"] == 1


def test_what_was_dropped_is_read_again_by_the_template_of_when_it_came(world: World) -> None:
    set_template(world, **TEMPLATE)
    key = world.drop("support", [CARD])
    [drop] = app.datasets.drops(world.tenant, "support", 5, None).data
    opened = drop.model_copy(update={"status": DropStatus.READING, "finished_at": None})
    app.datasets.save_drop(opened)
    set_template(world, user="{{input}}?")

    etag = app.client("s3").head_object(Bucket=app.objects.bucket, Key=key)["ETag"].strip('"')
    world.s3_event(key, etag)

    assert contents(world) == [AS_MESSAGES["messages"]]


def test_sending_the_same_again_after_the_template_changed_changes_nothing(world: World) -> None:
    set_template(world, **TEMPLATE)
    first = post(world, CARD).body
    world.settle()

    set_template(world, user="{{title}}")
    again = post(world, CARD)
    world.settle()

    assert (again.status, again.body["id"], again.body["status"]) == (202, first["id"], "collected")
    assert contents(world) == [AS_MESSAGES["messages"]]


@pytest.mark.parametrize(
    ("template", "param"),
    [
        ({"user": "no place"}, "template.user"),
        ({"system": "{{name}}"}, "template.system"),
        ({"answer_schema": {"pattern": "(a+)+$"}}, "template.answer_schema"),
        ({"answer_schema": {"$ref": "https://example.com"}}, "template.answer_schema"),
        ({"answer_schema": "[" * 90_000}, "template.answer_schema"),
        ({"system": "x" * TEMPLATE_BYTES}, "template"),
        ({"colour": "red"}, "template.colour"),
    ],
)
def test_what_is_no_template_is_refused_by_its_field(template: Any, param: str, world: World) -> None:
    answer = world.call(ROUTE, PATH, {"template": template})

    assert (answer.status, answer.body["error"]["param"]) == (422, param)
    assert world.call("GET /v1/datasets/{dataset}", PATH).body["template"] is None


@pytest.mark.usefixtures("world")
def test_a_message_that_is_none_of_ours_fails_alone() -> None:
    for body in ("not json", "[]", json.dumps({"collect": {"tenant": "acme", "dataset": 5, "drop": "d"}})):
        assert invoke("collect-posts", sqs_event("examples", body)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_null_takes_a_setting_back_or_is_refused(world: World) -> None:
    set_template(world, **TEMPLATE)
    change = {"csv": {"user": "question", "assistant": "reply"}, "policy": {"min_quality": 0.5}}
    assert world.call(ROUTE, PATH, change).status == 200

    taken_back = world.call(ROUTE, PATH, {"csv": None, "policy": None}).body
    refused = [world.call(ROUTE, PATH, {name: None}) for name in ("template", "on_drop", "max_run_usd")]

    assert (taken_back["csv"], taken_back["policy"]["min_quality"]) == (None, 0.8)
    assert {answer.status for answer in refused} == {422}
    assert [answer.body["error"]["param"] for answer in refused] == ["template", "on_drop", "max_run_usd"]
    assert "leave it out to keep" in refused[0].body["error"]["message"]
    assert world.call("GET /v1/datasets/{dataset}", PATH).body["template"]["version"] == 1


def test_null_is_refused_of_a_new_dataset_too_but_where_it_means_none(world: World) -> None:
    refused = world.call("POST /v1/datasets", "/v1/datasets", {"id": "other", "template": None})
    made = world.call("POST /v1/datasets", "/v1/datasets", {"id": "other", "csv": None, "policy": None})

    assert (refused.status, refused.body["error"]["param"]) == (422, "template")
    assert (made.status, made.body["csv"], made.body["policy"]["min_quality"]) == (201, None, 0.8)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"required_examples": "5"}, "required_examples"),
        ({"required_per_category": True}, "required_per_category"),
        ({"train_on_review": "yes"}, "train_on_review"),
        ({"policy": {"min_quality": True}}, "policy.min_quality"),
        ({"policy": {"min_quality": "0.5"}}, "policy.min_quality"),
        ({"policy": {"max_examples": "5"}}, "policy.max_examples"),
        ({"policy": {"validated_only": 1}}, "policy.validated_only"),
        ({"policy": {"take_test": "no"}}, "policy.take_test"),
    ],
    ids=str,
)
def test_a_setting_of_another_type_is_refused_by_its_field(change: Any, param: str, world: World) -> None:
    answer = world.call(ROUTE, PATH, change)

    assert (answer.status, answer.body["error"]["param"]) == (422, param)


@pytest.mark.parametrize(
    "change",
    [
        {"csv": {"user": "a", "assistant": "a"}},
        {"policy": {"created_from": "2026-11-21", "created_to": "2026-11-20T23:00:00Z"}},
        {"policy": {"created_from": 1}},
        {"policy": {"max_examples": 10**30}},
    ],
    ids=str,
)
def test_settings_that_contradict_themselves_are_refused(change: Any, world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    assert world.call(ROUTE, PATH, change).status == 422
