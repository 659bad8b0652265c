"""activate-model when a verdict is not enough: it came late, or was proved on rows that are not the model's own."""

from typing import Any

import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, as_promotion, prepare_comparison
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope


def verdicts(world: World) -> list[dict[str, Any]]:
    """The verdicts that were announced, oldest first."""
    return [event for event in world.events if event["detail-type"] == "EvaluationCompleted"]


@pytest.fixture
def overtaken(world: World) -> World:
    """Two versions were evaluated against the base model at once, and the first verdict put version 1 on."""
    first, second = prepare_comparison(world, scripted_evaluations.lines(40), ("v1", "v2"))
    ScriptedProvider(
        lambda asked: (
            answers_known_to("v1", "v2")(asked)
            if scripted_evaluations.number_in(asked) % 4
            else answers_known_to("v2")(asked)
        )
    )
    for body in (first, second):
        scripted_evaluations.request_evaluation(world, as_promotion(body))
    world.settle()
    return world


def test_a_candidate_proved_against_a_replaced_version_is_compared_anew(overtaken: World) -> None:
    found = [
        (evaluation["candidate"], evaluation["stable"], evaluation["look"])
        for evaluation in scripted_evaluations.list_evaluations(overtaken)
    ]

    assert found == [(1, 0, 1), (2, 0, 2), (2, 1, 3)]
    assert steps.deployment(overtaken)["stable"] == 2
    first, late, last = reversed(steps.history(overtaken))
    assert [line["action"] for line in (first, late, last)] == ["activate", "refuse", "activate"]
    assert late["reason"] == (
        "Version 1 serves today, the evaluation compared with 0: version 2 is evaluated again, against version 1."
    )
    assert (late["stable"], last["stable"]) == (1, 2)


def test_a_late_verdict_that_comes_again_has_nothing_evaluated_twice(overtaken: World) -> None:
    announced = overtaken.delivered.count("VersionReady")

    for verdict in verdicts(overtaken):
        invoke("activate-model", verdict)
    overtaken.settle()

    assert overtaken.delivered.count("VersionReady") == announced
    assert len(scripted_evaluations.list_evaluations(overtaken)) == len(steps.history(overtaken)) == 3


def test_a_verdict_for_what_was_put_on_by_hand_meanwhile_asks_for_nothing(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(40))
    ScriptedProvider(answers_known_to("v1"))
    asked = scripted_evaluations.request_evaluation(world, as_promotion(body))
    steps.decide(world, "activate", {"version": 1})

    world.settle()

    assert [evaluation["id"] for evaluation in scripted_evaluations.list_evaluations(world)] == [asked["id"]]
    assert steps.deployment(world)["stable"] == 1
    assert steps.history(world)[0]["reason"].startswith("Version 1 serves everybody already.")
    assert list(app.outbox.backlog(utc_now())) == []


def too_late(world: World) -> dict[str, Any]:
    """The evaluation of version 2 against 1, whose verdict came while version 3 served, before anything follows."""
    _, second, _ = prepare_comparison(world, scripted_evaluations.lines(40), ("v1", "v2", "v3"))
    steps.decide(world, "activate", {"version": 1})
    world.settle()
    ScriptedProvider(answers_known_to("v2"))
    asked = scripted_evaluations.request_evaluation(world, as_promotion(second))
    steps.decide(world, "activate", {"version": 3})
    relay_until(world, "EvaluationCompleted", 1)
    return asked


def relay_until(world: World, kind: str, times: int) -> None:
    """Deliver events until so many of a kind were delivered; what came of the last ones still waits."""
    for _ in range(10):
        if world.delivered.count(kind) >= times:
            return
        world._relay()
    raise AssertionError(f"no {times} times {kind}: {world.delivered}")


def test_a_late_verdict_counts_once_its_stable_version_serves_again(world: World) -> None:
    asked = too_late(world)
    steps.decide(world, "activate", {"version": 1})

    world.settle()

    assert [(evaluation["id"], evaluation["look"]) for evaluation in scripted_evaluations.list_evaluations(world)] == [
        (asked["id"], 1)
    ]
    assert steps.deployment(world)["stable"] == 2
    lines = [(line["action"], line["stable"], line["evaluation"]) for line in steps.history(world)]
    assert lines == [
        ("activate", 2, asked["id"]),
        ("activate", 1, None),
        ("refuse", 3, asked["id"]),
        ("activate", 3, None),
        ("activate", 1, None),
    ]


def test_a_late_verdict_has_its_effect_once_however_often_it_comes(world: World) -> None:
    too_late(world)
    steps.decide(world, "activate", {"version": 1})
    world.settle()
    steps.decide(world, "activate", {"version": 1, "reason": "users complain"})
    before = steps.history(world)

    for event in list(world.events):
        if event["detail-type"] == "EvaluationCompleted":
            invoke("activate-model", event)
        elif event["detail-type"] == "VersionReady":
            invoke("evaluate", event)
    world.settle()

    assert steps.deployment(world)["stable"] == 1
    assert steps.history(world) == before
    assert len(scripted_evaluations.list_evaluations(world)) == 1


def test_a_verdict_that_comes_late_again_is_looked_after_again(world: World) -> None:
    asked = too_late(world)
    steps.decide(world, "activate", {"version": 1})
    relay_until(world, "VersionReady", 4)
    steps.decide(world, "activate", {"version": 3})
    relay_until(world, "EvaluationCompleted", 2)
    steps.decide(world, "activate", {"version": 1})

    world.settle()

    assert steps.deployment(world)["stable"] == 2
    assert [line["evaluation"] for line in steps.history(world) if line["action"] == "refuse"] == [asked["id"]] * 2


def test_a_late_verdict_finds_the_refusal_that_still_holds_and_says_so(world: World) -> None:
    _, second, _ = prepare_comparison(world, scripted_evaluations.lines(40), ("v1", "v2", "v3"))
    ScriptedProvider(answers_known_to())
    steps.decide(world, "activate", {"version": 3})
    refused = scripted_evaluations.evaluate_to_end(world, as_promotion(second))
    steps.decide(world, "activate", {"version": 1})
    ScriptedProvider(
        lambda asked: (
            scripted_evaluations.expected_answer(scripted_evaluations.number_in(asked))
            if scripted_evaluations.arm_of(asked) == "v2"
            else "no"
        )
    )
    late = scripted_evaluations.request_evaluation(world, as_promotion(second))
    steps.decide(world, "activate", {"version": 3})

    world.settle()

    assert [evaluation["id"] for evaluation in scripted_evaluations.list_evaluations(world)] == [
        refused["id"],
        late["id"],
    ]
    last, before = steps.history(world)[:2]
    assert (before["evaluation"], last["evaluation"]) == (late["id"], refused["id"])
    assert (last["action"], last["stable"], last["reason"]) == ("refuse", 3, refused["verdict"]["reason"])


def with_exam(world: World) -> dict[str, Any]:
    """A request to prove version 1 on rows of a dataset that doesn't feed its model, and that it would pass."""
    [body] = prepare_comparison(world, [])
    world.drop("exam", [*steps.questions(20, split="train"), *scripted_evaluations.lines(40)], name="test/own.jsonl")
    world.schedule("collect-examples")
    world.settle()
    [exam] = app.exports.page(world.tenant, "exam", 10, None).data
    ScriptedProvider(answers_known_to("v1"))
    return body | {"dataset": "exam", "export": exam.id}


def test_who_may_only_train_activates_nothing_with_rows_of_his_own_choice(world: World) -> None:
    body, key = with_exam(world), world.new_key(Scope.TRAIN)

    answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, body, key=key)
    world.settle()

    found = scripted_evaluations.read_evaluation(world, answer.body["id"])
    assert (found["look"], found["intent"], found["verdict"]["promote"]) == (1, "report", True)
    assert steps.deployment(world)["stable"] == steps.deployment(world)["step"] == 0
    assert steps.history(world) == []


def test_nobody_asks_for_a_promotion_on_rows_that_do_not_feed_the_model(world: World) -> None:
    body = with_exam(world)

    answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, as_promotion(body))

    assert (answer.status, answer.body["error"]["param"]) == (409, "dataset")
    assert scripted_evaluations.list_evaluations(world) == []


def test_a_version_proved_on_foreign_rows_is_only_told_of(world: World) -> None:
    body = with_exam(world)
    detail = {"tenant": world.tenant, "model": "support", "version": 1, "dataset": "exam", "export": body["export"]}

    invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": detail})
    world.settle()

    [found] = scripted_evaluations.list_evaluations(world)
    [line] = steps.history(world)
    assert (line["action"], line["by"], line["evaluation"]) == ("refuse", "gate", found["id"])
    assert line["reason"] == (
        f"{found['verdict']['reason']} But that was proved on dataset exam, which doesn't feed this model: "
        "somebody with the scope `deploy` may activate version 1."
    )
