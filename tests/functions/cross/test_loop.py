"""The whole loop in one process, on the project's own sample and against the real trainer."""

from typing import Any

import pytest

from tests.functions import steps
from tests.world import World

ENOUGH = 600
ORDER = "Could you tell me where the parcel with my new saddle is?"


@pytest.fixture
def trained(live: World) -> World:
    """A world in which a drop of the sample has become a version that serves."""
    steps.settled(live, steps.support(ENOUGH))
    [run] = steps.runs(live)
    assert steps.followed(live, run["id"])["status"] == "succeeded"
    live.settle()
    return live


def evaluation(world: World) -> dict[str, Any]:
    [found] = world.call("GET /v1/evaluations", "/v1/evaluations").body["data"]
    path = f"/v1/evaluations/{found['id']}"
    body: dict[str, Any] = world.call("GET /v1/evaluations/{evaluation}", path).body
    return body


def answered_by(world: World, user: str = "user-1") -> int:
    prompt = steps.support(1)[0]["messages"][0]
    messages = [prompt, {"role": "user", "content": ORDER}]
    body = {"model": "support", "user": user, "messages": messages}
    answer = world.call("POST /v1/chat/completions", "/v1/chat/completions", body)
    assert answer.status == 200, answer.text
    version: int = answer.body["tuneloop"]["version"]
    return version


def test_a_drop_becomes_a_version_that_is_proved_and_serves(trained: World) -> None:
    assert trained.delivered == [
        "DatasetSettled",
        "ExportCreated",
        "TrainingRunRequested",
        "TrainingRunFinished",
        "VersionReady",
        "EvaluationRequested",
        "EvaluationCompleted",
        "DeploymentChanged",
    ]

    proof = evaluation(trained)
    candidate, stable = proof["arms"]["candidate"], proof["arms"]["stable"]
    assert (proof["status"], proof["candidate"], proof["stable"]) == ("completed", 1, 0)
    assert candidate["accuracy"] > stable["accuracy"] > proof["arms"]["most_frequent"]["accuracy"]
    assert proof["verdict"]["promote"] is True

    [line] = steps.history(trained)
    assert (line["action"], line["stable"], line["by"], line["evaluation"]) == ("activate", 1, "gate", proof["id"])
    assert line["reason"] == proof["verdict"]["reason"]
    assert answered_by(trained) == 1


def test_the_base_answers_after_a_deactivation_until_the_next_activation(trained: World) -> None:
    steps.decide(trained, "deactivate", {"reason": "a look at the base"})
    base = answered_by(trained)
    steps.decide(trained, "activate", {"reason": "back again"})
    tuned = answered_by(trained)

    assert (base, tuned) == (0, 1)
    assert [line["reason"] for line in steps.history(trained)][:2] == ["back again", "a look at the base"]
    assert [(row["version"], row["calls"], row["cost_usd"]) for row in steps.usage(trained)] == [
        (0, 1, 0.0),
        (1, 1, 0.0),
    ]


def test_feedback_finds_the_version_that_gave_the_answer(trained: World) -> None:
    answers = []
    for what in ("deactivate", "activate"):
        steps.decide(trained, what)
        answers.append(steps.ask(trained, ORDER, user="user-1").body["id"])

    for answer, rating in zip(answers, (2, 5), strict=True):
        body = {"inference_id": answer, "rating": rating}
        assert trained.call("POST /v1/feedback", "/v1/feedback", body).status == 202

    rows = steps.usage(trained)
    assert [(row["version"], row["ratings"], row["rating_sum"]) for row in rows] == [(0, 1, 2), (1, 1, 5)]


def test_a_version_replaces_the_one_that_serves_only_if_proved_better(trained: World) -> None:
    trained.drop("support", steps.support(ENOUGH + 40)[ENOUGH:], name="more.jsonl")
    trained.schedule("launch-finetune", "monthly")
    trained.settle()
    second = steps.runs(trained)[0]
    assert steps.followed(trained, second["id"])["version"] == 2
    trained.settle()

    found = trained.call("GET /v1/evaluations", "/v1/evaluations").body["data"][0]
    assert (found["candidate"], found["stable"], found["look"]) == (2, 1, 2)
    serving = 2 if found["verdict"]["promote"] else 1
    assert steps.deployment(trained)["stable"] == serving
    assert answered_by(trained) == serving


def test_a_user_keeps_his_version_while_the_share_grows(trained: World) -> None:
    steps.decide(trained, "deactivate")
    users = [f"user-{number}" for number in range(30)]
    seen = []

    for part in (0.3, 0.6):
        steps.share(trained, 1, part)
        seen.append({user for user in users if answered_by(trained, user) == 1})
    few, many = seen

    assert few <= many
    assert 0 < len(few) < len(many) < len(users)
    rows = {row["version"]: row["calls"] for row in steps.usage(trained)}
    assert rows == {0: 2 * len(users) - len(few) - len(many), 1: len(few) + len(many)}


def test_a_model_id_of_the_provider_is_served_under_a_name_of_one_s_own(trained: World) -> None:
    [run] = steps.runs(trained)

    number = steps.registered(trained, "by-hand", provider_model=run["fine_tuned_model"])
    steps.decide(trained, "activate", {"version": number}, model="by-hand")
    answer = steps.ask(trained, ORDER, model="by-hand").body

    assert (answer["model"], answer["tuneloop"]["version"]) == (run["fine_tuned_model"], 1)
