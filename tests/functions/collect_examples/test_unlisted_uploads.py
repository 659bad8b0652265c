"""Uploads of OpenAI's wire: files there, and no clutter among models and datasets; and what a run is trained by."""

from typing import Any

import pytest
from openai import OpenAI

from tests.examples import chat
from tests.functions import steps
from tests.functions.openai_scripts import jsonl
from tests.world import World
from tuneloop.app import app

PAIRS = steps.preferences(20)


def upload(client: OpenAI, number: int = 0) -> str:
    lines = [chat(f"Where is order {order}?", ("late", f"lost {number}")[order % 2]) for order in range(20)]
    return client.files.create(file=("train.jsonl", jsonl(lines)), purpose="fine-tune").id


def pages(world: World, limit: int) -> list[list[str]]:
    """The names of the datasets that are listed, page by page."""
    found, query = [], {"limit": str(limit)}
    while True:
        page = world.call("GET /v1/datasets", "/v1/datasets", **query).body
        found.append([listed["id"] for listed in page["data"]])
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def test_files_are_listed_as_files_and_found_by_their_ids(live: World, client: OpenAI) -> None:
    file = upload(client)

    assert [listed.id for listed in client.files.list()] == [file]
    assert file not in [model.id for model in client.models.list()]
    assert pages(live, 100) == [[]]
    assert client.models.retrieve(file).id == file
    assert live.call("GET /v1/datasets/{dataset}", f"/v1/datasets/{file}").status == 200


def test_a_file_that_made_a_model_is_listed_among_models(live: World, client: OpenAI) -> None:
    file, other = upload(client), upload(client, 1)
    job = client.fine_tuning.jobs.create(training_file=file, model=steps.BASE_MODEL)
    before = [model.id for model in client.models.list()]

    live.settle()
    steps.followed(live, job.id)
    live.settle()

    assert before == []
    assert [model.id for model in client.models.list()] == [file]
    assert other not in [model.id for model in client.models.list()]
    assert pages(live, 100) == [[]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_pages_are_whole_though_files_lie_in_between(limit: int, live: World, client: OpenAI) -> None:
    names = ["alpha", "file", "file-cards", "file-0123456789abcdef0123456", "omega"]
    for name in names:
        live.call("POST /v1/datasets", "/v1/datasets", {"id": name, "on_drop": "collect"})
    for number in range(4):
        upload(client, number)

    found = pages(live, limit)

    assert [name for page in found for name in page] == sorted(names)
    assert all(len(page) == limit for page in found[:-1])


def posted(world: World, examples: list[Any]) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    path = "/v1/datasets/support/examples"
    assert world.call("POST /v1/datasets/{dataset}/examples", path, {"examples": examples}).status == 202
    world.settle()


def asked(world: World, **fields: Any) -> Any:
    answer = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support", **fields})
    assert answer.status == 202, answer.text
    return answer.body


CHATS = [chat(f"question {number}", "an answer") for number in range(20)]


@pytest.mark.parametrize(
    ("examples", "method"),
    [(PAIRS, "preference"), (CHATS, "supervised"), ([*PAIRS, *CHATS], "supervised")],
    ids=["pairs", "chats", "both"],
)
def test_a_run_says_from_the_first_answer_by_what_it_trains(examples: list[Any], method: str, live: World) -> None:
    posted(live, examples)

    first = asked(live)
    again = asked(live)
    live.settle()

    assert (first["method"], again["id"], again["method"]) == (method, first["id"], method)
    assert steps.look(live, first["id"])["method"] == method


def test_pairs_may_be_given_what_only_pairs_are_trained_with(live: World) -> None:
    posted(live, PAIRS)

    assert asked(live, hyperparameters={"beta": 0.2})["method"] == "preference"


def test_a_policy_s_kind_goes_before_what_was_collected(live: World) -> None:
    posted(live, [*PAIRS, *CHATS])
    change = {"policy": {"kind": "preference"}}
    assert live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", change).status == 200

    assert asked(live)["method"] == "preference"


def test_a_dataset_of_an_older_version_finds_the_run_that_it_asked_for(live: World) -> None:
    posted(live, PAIRS)
    old = app.datasets.get(live.tenant, "support")
    app.datasets.save(old.model_copy(update={"pairs": 0}))
    first = asked(live)
    told = app.datasets.get(live.tenant, "support")
    app.datasets.save(told.model_copy(update={"pairs": old.pairs}))

    assert (first["method"], asked(live)["id"]) == ("supervised", first["id"])


def test_a_job_for_pairs_of_a_named_dataset_may_say_dpo(live: World, client: OpenAI) -> None:
    posted(live, PAIRS)

    job = client.fine_tuning.jobs.create(training_file="support", model=steps.BASE_MODEL, method={"type": "dpo"})

    assert job.method
    assert job.method.type == "dpo"
