"""collect-examples through its real entry point."""

from tests.examples import chat
from tests.world import World


def test_a_drop_makes_its_dataset_and_counts_its_examples(world: World) -> None:
    world.drop("support", [chat(f"where is order {n}?", "status") for n in range(12)])

    dataset = world.call("GET /v1/datasets/{dataset}", "/v1/datasets/support")
    assert dataset.status == 200, dataset.text
    assert dataset.body["examples"] == 12
    assert dataset.body["revision"] == 1


def test_the_same_file_twice_adds_nothing(world: World) -> None:
    lines = [chat(f"where is order {n}?", "status") for n in range(12)]

    world.drop("support", lines)
    world.drop("support", lines, name="again.jsonl")

    assert world.call("GET /v1/datasets/{dataset}", "/v1/datasets/support").body["examples"] == 12
    drops = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    assert [drop["status"] for drop in drops] == ["collected", "collected"]


def test_a_bad_line_is_named_and_its_file_adds_nothing(world: World) -> None:
    world.drop("support", b'{"messages": [{"role": "user", "content": "hi"}]}\nnot json\n')

    [drop] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    assert drop["status"] == "rejected"
    assert [(problem["line"], problem["code"]) for problem in drop["problems"]] == [
        (1, "no_assistant_message"),
        (2, "invalid_json"),
    ]


def test_posted_examples_arrive_through_the_queue_once(world: World) -> None:
    body = {"examples": [chat(f"where is order {n}?", "status") for n in range(3)]}

    for _ in range(2):
        answer = world.call("POST /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples", body)
        assert answer.status == 202, answer.text
    world.settle()

    assert world.call("GET /v1/datasets/{dataset}", "/v1/datasets/support").body["examples"] == 3
