"""What may go wrong while examples are reviewed: rivals, deaths halfway, and runs that nobody asked for."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.review_steps import listing, on, one, page, parcels, reviewed, sent
from tests.functions.write_faults import ConcurrentWriter
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.core.limits import REVIEWS_AT_ONCE
from tuneloop.domain.training.runs import RunStatus
from tuneloop.store.repositories import reviews as rows


def test_of_two_reviewers_at_once_the_second_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(world, parcels(2))
    first, second = page(world)
    ConcurrentWriter(monkeypatch, lambda: reviewed(world, on(first, status="rejected"), reviewer="ben"))

    answer = reviewed(world, on(first, status="approved"), on(second, status="approved"), reviewer="anna")

    assert [(refusal["example"], refusal["code"]) for refusal in answer["refused"]] == [(first["id"], "stale")]
    assert {example["reviewer"]: example["status"] for example in page(world)} == {
        "ben": "rejected",
        "anna": "approved",
    }


def test_examples_that_come_meanwhile_don_t_hold_a_reviewer_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(world, parcels(2))
    seen = page(world)
    ConcurrentWriter(monkeypatch, lambda: collect(world, steps.questions(3), name="meanwhile.jsonl"))

    answer = reviewed(world, *(on(example, status="approved") for example in seen))

    assert (answer["changed"], answer["refused"], answer["revision"]) == (2, [], 3)
    assert listing(world).body["total"] == 5


def test_a_call_that_died_halfway_is_completed_by_sending_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(world, parcels(9))
    decisions = [on(example, status="approved", note=f"parcel {n}") for n, example in enumerate(page(world))]
    monkeypatch.setattr(rows, "COMMIT_BYTES", 400)

    def die() -> None:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "gone"}}, "TransactWriteItems")

    with monkeypatch.context() as patch:
        ConcurrentWriter(patch, lambda: None, lambda: None, die)
        assert sent(world, reviews=decisions).status == 500
    halfway = listing(world, status="approved").body["total"]
    again = reviewed(world, *decisions)

    assert 0 < halfway < 9
    assert (again["changed"], again["refused"]) == (9, [])
    assert [example["version"] for example in page(world)] == [1] * 9


def test_edits_of_any_size_fit_into_rows(world: World) -> None:
    collect(world, parcels(30))
    edits = [{"messages": [{"role": "user", "content": '"' * 90_000}, *said(n)]} for n in range(20)]
    seen = page(world, limit="30")

    answer = reviewed(world, *(on(example, content=edit) for example, edit in zip(seen, edits, strict=False)))

    assert (answer["changed"], answer["refused"]) == (20, [])
    assert one(world, seen[7]["id"])["content"] == edits[7]


def said(number: int) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": f"answer {number}"}]


def test_a_review_leads_to_an_export_and_to_no_run(world: World) -> None:
    steps.settled(world, steps.questions(40))
    seen = page(world)
    [before] = steps.runs(world)
    close_runs(world)

    reviewed(world, on(seen[0], status="rejected"))
    world.schedule("collect-examples")
    world.settle()

    newest = app.exports.page(world.tenant, "support", 1, None).data[0]
    assert (newest.revision, newest.left_out["rejected"]) == (2, 1)
    assert [run["id"] for run in steps.runs(world)] == [before["id"]]


def test_reviews_are_trained_on_where_they_are_to_be_or_with_the_next_drop(world: World) -> None:
    steps.settled(world, steps.questions(40))
    reviewed(world, on(page(world)[0], status="rejected"))
    close_runs(world)
    steps.settled(world, steps.questions(60))
    assert [app.runs.get(world.tenant, run["id"]).revision for run in steps.runs(world)] == [3, 1]
    close_runs(world)

    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"train_on_review": True})
    reviewed(world, on(page(world)[1], status="rejected"))
    world.schedule("collect-examples")
    world.settle()

    assert [app.runs.get(world.tenant, run["id"]).revision for run in steps.runs(world)] == [4, 3, 1]


def close_runs(world: World) -> None:
    for run in app.runs.page(world.tenant, 10, None).data:
        app.runs.save(run.model_copy(update={"status": RunStatus.FAILED}))


def test_a_dataset_that_is_not_there_has_no_examples(world: World) -> None:
    answers = [
        listing(world),
        sent(world, reviews=[{"example": "0" * 64, "version": 0, "status": "approved"}]),
        sent(world, matching={}, change={"status": "approved"}, revision=1),
    ]

    assert [answer.status for answer in answers] == [404] * 3
    assert NotFound.code in answers[0].text


def test_no_prompt_or_answer_stands_in_what_is_refused(world: World) -> None:
    collect(world, parcels(1))
    secret = "the purple heron dances at noon"
    bad = {"messages": [{"role": "user", "content": secret}, {"role": secret, "content": secret}]}

    answer = sent(world, reviews=[on(page(world)[0], content=bad, note=secret)])

    assert answer.status == 422
    assert secret not in answer.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_reviewers_do_each_decision_counts_once_and_in_order(world: World, data: st.DataObject) -> None:
    """Against a model: a dictionary of histories."""
    name = f"d{app.datasets.page(world.tenant, 100, None).data.__len__()}"
    world.call("POST /v1/datasets", "/v1/datasets", {"id": name, "on_drop": "collect"})
    world.drop(name, parcels(5))
    path = f"/v1/datasets/{name}"
    found = world.call("GET /v1/datasets/{dataset}/examples", f"{path}/examples").body["data"]
    histories: dict[str, list[Any]] = {example["id"]: [] for example in found}
    decisions: st.SearchStrategy[Any] = st.fixed_dictionaries(
        {"example": st.sampled_from(sorted(histories)), "version": st.integers(0, 3)},
        optional={
            "status": st.sampled_from(["approved", "rejected", "unreviewed"]),
            "quality": st.sampled_from([0, 1]),
        },
    ).filter(lambda decided: len(decided) > 2)

    for call in data.draw(st.lists(st.lists(decisions, min_size=2, max_size=6), max_size=5)):
        expected = []
        for review in call:
            history, said = histories[review["example"]], {k: v for k, v in review.items() if k != "example"}
            if review["version"] == len(history):
                history.append(said)
            elif review["version"] > len(history) or history[review["version"]] != said:
                expected.append(review["example"])
        answer = world.call("POST /v1/datasets/{dataset}/reviews", f"{path}/reviews", {"reviews": call}).body
        assert [refusal["example"] for refusal in answer["refused"]] == expected
        assert answer["changed"] == len(call) - len(expected)

    for example in world.call("GET /v1/datasets/{dataset}/examples", f"{path}/examples").body["data"]:
        history = histories[example["id"]]
        assert example["version"] == len(history)
        assert example["status"] == ([said["status"] for said in history if "status" in said] or ["unreviewed"])[-1]
        assert example["quality"] == ([said["quality"] for said in history if "quality" in said] or [None])[-1]


def test_a_row_holds_a_thousand_decisions_and_no_more_than_a_row_may(world: World) -> None:
    collect(world, steps.questions(REVIEWS_AT_ONCE))

    answer = sent(world, matching={}, change={"status": "approved", "category": "ö" * 200}, revision=1)

    stored = world.dynamodb.query(
        TableName=app.table.name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"T#{world.tenant}#DATASET#support#REVIEWS"}},
    )["Items"]
    assert answer.body["changed"] == REVIEWS_AT_ONCE
    assert 1 < len(stored) < 5
    assert all(len(json.dumps(row, ensure_ascii=False).encode()) < 400_000 for row in stored)
