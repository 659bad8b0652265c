"""What an evaluation is for: a report decides nothing, a promotion does, and a report may rise to one."""

from typing import Any

import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.scripted_evaluations import (
    ScriptedProvider,
    answers_known_to,
    as_promotion,
    evaluate_to_end,
    prepare_comparison,
    read_evaluation,
    request_evaluation,
)
from tests.world import TABLE, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.store import keys

ROWS = 40


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second try at a provider that is away."""
    monkeypatch.setattr("evaluate.ask.RETRY_WAITS_S", ())


@pytest.fixture
def body(world: World) -> dict[str, Any]:
    """A request to compare version 1, which knows everything, with the base model, which knows nothing."""
    [asked] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    return asked


def announce(world: World, body: dict[str, Any]) -> None:
    """The version came out of a run: what the automatic path does."""
    detail = {"tenant": world.tenant, **body}
    invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": detail})


def without_intent(world: World, evaluation: str) -> None:
    """Store an evaluation as a release that knew no intent would have."""
    key = keys.evaluation(world.tenant, evaluation)
    world.dynamodb.update_item(
        TableName=TABLE, Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}}, UpdateExpression="REMOVE intent"
    )


def actions(world: World) -> list[str]:
    return [line["action"] for line in steps.history(world)]


def test_a_report_decides_nothing_though_it_takes_a_look(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))

    found = evaluate_to_end(world, body)

    assert (found["intent"], found["look"], found["verdict"]["promote"]) == ("report", 1, True)
    assert (steps.deployment(world)["stable"], actions(world)) == (0, [])
    assert "EvaluationCompleted" not in world.delivered


def test_comparing_what_was_deactivated_does_not_put_it_back(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))
    steps.decide(world, "activate", {"version": 1})
    steps.decide(world, "deactivate", {"reason": "users complain"})

    found = evaluate_to_end(world, body)

    assert (found["stable"], found["verdict"]["promote"]) == (0, True)
    assert (steps.deployment(world)["stable"], actions(world)) == (0, ["deactivate", "activate"])


def test_the_automatic_path_promotes(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))

    announce(world, body)
    world.settle()

    [found] = scripted_evaluations.list_evaluations(world)
    assert (found["intent"], steps.deployment(world)["stable"]) == ("promote", 1)


def test_a_report_that_ended_is_announced_once_with_its_raise(world: World, body: dict[str, Any]) -> None:
    provider = ScriptedProvider(answers_known_to("v1"))
    report = evaluate_to_end(world, body)

    raised = [request_evaluation(world, as_promotion(body)) for _ in range(3)]
    world.settle()

    assert {(evaluation["id"], evaluation["intent"], evaluation["look"]) for evaluation in raised} == {
        (report["id"], "promote", 1)
    }
    assert world.delivered.count("EvaluationCompleted") == 1
    assert (steps.deployment(world)["stable"], actions(world)) == (1, ["activate"])
    assert provider.answered.total() == 2 * ROWS


def test_a_refusal_that_was_a_report_is_written_down_once_it_is_raised(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to())
    report = evaluate_to_end(world, body)

    announce(world, body)
    world.settle()

    [line] = steps.history(world)
    assert (line["action"], line["evaluation"], line["reason"]) == ("refuse", report["id"], report["verdict"]["reason"])


def test_an_open_report_is_only_raised(world: World, body: dict[str, Any]) -> None:
    provider = ScriptedProvider(lambda _: scripted_evaluations.be_away())
    waiting = evaluate_to_end(world, body)

    raised = request_evaluation(world, as_promotion(body))
    world.settle()
    assert (raised["id"], raised["status"], raised["intent"]) == (waiting["id"], "running", "promote")
    assert "EvaluationCompleted" not in world.delivered

    provider.script = answers_known_to("v1")
    world.schedule("evaluate")
    world.settle()

    assert (read_evaluation(world, waiting["id"])["status"], steps.deployment(world)["stable"]) == ("completed", 1)
    assert world.delivered.count("EvaluationCompleted") == 1


@pytest.mark.parametrize("after", [1, ROWS, 2 * ROWS - 1])
def test_a_raise_while_rows_are_asked_loses_no_answer(after: int, world: World, body: dict[str, Any]) -> None:
    provider = ScriptedProvider(answers_known_to("v1"))
    raised: list[Any] = []

    def meanwhile() -> None:
        if len(provider.sent) >= after and not raised:
            raised.append(None)
            raised.append(request_evaluation(world, as_promotion(body)))

    provider.meanwhile = meanwhile

    found = evaluate_to_end(world, body)

    assert (found["status"], found["intent"], steps.deployment(world)["stable"]) == ("completed", "promote", 1)
    assert set(provider.answered.values()) == {1}
    assert world.delivered.count("EvaluationCompleted") == 1


def test_a_report_does_not_lower_what_is_to_promote(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))
    asked = request_evaluation(world, as_promotion(body))

    again = request_evaluation(world, body)
    world.settle()

    assert (again["id"], again["intent"]) == (asked["id"], "promote")
    assert steps.deployment(world)["stable"] == 1


def test_a_report_that_failed_does_not_stand_in_the_way_of_promotion(world: World, body: dict[str, Any]) -> None:
    provider = ScriptedProvider(lambda _: scripted_evaluations.refuse())
    report = evaluate_to_end(world, body)

    provider.script = answers_known_to("v1")
    for _ in range(2):
        announce(world, body)
    world.settle()

    first, second = scripted_evaluations.list_evaluations(world)
    assert (first["id"], first["intent"], second["look"]) == (report["id"], "report", 1)
    assert steps.deployment(world)["stable"] == 1


def test_a_report_without_test_rows_is_not_written_into_the_history(world: World) -> None:
    [asked] = prepare_comparison(world, [])

    found = evaluate_to_end(world, asked)

    assert (found["status"], found["intent"], actions(world)) == ("completed", "report", [])


@pytest.mark.parametrize(
    ("scopes", "status"),
    [([Scope.TRAIN], 403), ([Scope.DEPLOY], 403), ([Scope.TRAIN, Scope.DEPLOY], 202)],
    ids=str,
)
def test_a_promotion_takes_both_scopes(scopes: list[Scope], status: int, world: World, body: dict[str, Any]) -> None:
    key = world.new_key(*scopes)

    answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, as_promotion(body), key=key)

    assert answer.status == status, answer.text


@pytest.mark.parametrize("said", ["true", "yes", 1, "on", None, []])
def test_only_a_plain_yes_is_a_promotion(said: Any, world: World, body: dict[str, Any]) -> None:
    answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, body | {"promote": said})

    assert (answer.status, answer.body["error"]["param"]) == (422, "promote")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"version": 2, "against": 0}, "against", "not_stable"),
        ({"version": 2, "against": 3}, "against", "not_stable"),
        ({"version": 1}, "version", "already_stable"),
        ({"version": 1, "against": 0}, "version", "already_stable"),
    ],
)
def test_only_a_comparison_with_what_serves_promotes(
    fields: dict[str, Any], param: str, code: str, world: World
) -> None:
    [body, *_] = prepare_comparison(world, scripted_evaluations.lines(ROWS), ("v1", "v2", "v3"))
    steps.decide(world, "activate", {"version": 1})

    answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, as_promotion(body) | fields)

    error = answer.body["error"]
    assert (answer.status, error["param"], error["code"]) == (409, param, code)
    assert "leave out `promote`" in error["message"].lower().replace("\n", " ")
    assert scripted_evaluations.list_evaluations(world) == []


def test_an_evaluation_that_was_open_across_an_upgrade_does_its_job(world: World, body: dict[str, Any]) -> None:
    provider = ScriptedProvider(lambda _: scripted_evaluations.be_away())
    announce(world, body)
    world.settle()
    [waiting] = scripted_evaluations.list_evaluations(world)
    without_intent(world, waiting["id"])

    provider.script = answers_known_to("v1")
    world.schedule("evaluate")
    world.settle()

    assert (read_evaluation(world, waiting["id"])["intent"], steps.deployment(world)["stable"]) == ("promote", 1)


def test_a_verdict_of_before_an_upgrade_is_not_announced_again(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))
    found = evaluate_to_end(world, body)
    without_intent(world, found["id"])

    announce(world, body)
    request_evaluation(world, body)
    world.settle()

    assert (steps.deployment(world)["stable"], actions(world)) == (0, [])
    assert "EvaluationCompleted" not in world.delivered


@pytest.mark.parametrize("is_late", [False, True], ids=["by a person", "late"])
def test_a_verdict_without_an_overlap_search_is_followed_by_another(
    is_late: bool, world: World, body: dict[str, Any]
) -> None:
    provider = ScriptedProvider(answers_known_to("v1"))
    old = evaluate_to_end(world, as_promotion(body))
    stored = app.evaluations.get(world.tenant, old["id"])
    app.evaluations.save(stored.model_copy(update={"overlap_was_found": False}), now=utc_now())
    steps.decide(world, "deactivate")
    world.call("POST /v1/models/{model}/resume", "/v1/models/support/resume", {})
    provider.sent.clear()
    provider.script = answers_known_to()

    for _ in range(2):
        if is_late:
            announce(world, body | {"late": stored.finished_at})
        else:
            request_evaluation(world, as_promotion(body))
        world.settle()

    first, second = scripted_evaluations.list_evaluations(world)
    assert (first["id"], second["look"], second["verdict"]["promote"]) == (old["id"], 2, False)
    assert (len(provider.sent), steps.deployment(world)["stable"]) == (2 * ROWS, 0)
    assert world.delivered.count("EvaluationCompleted") == 2


def test_a_report_without_an_overlap_search_is_not_raised(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))
    old = evaluate_to_end(world, body)
    stored = app.evaluations.get(world.tenant, old["id"])
    app.evaluations.save(stored.model_copy(update={"overlap_was_found": False}), now=utc_now())

    raised = evaluate_to_end(world, as_promotion(body))

    assert raised["id"] != old["id"]
    assert (raised["look"], read_evaluation(world, old["id"])["intent"]) == (2, "report")
    assert steps.deployment(world)["stable"] == 1


def test_a_report_that_somebody_else_announces_decides_nothing(world: World, body: dict[str, Any]) -> None:
    ScriptedProvider(answers_known_to("v1"))
    found = evaluate_to_end(world, body)
    detail = {"tenant": world.tenant, "evaluation": found["id"], "model": "support", "candidate": 1, "stable": 0}
    detail |= {"verdict": found["verdict"]}

    invoke("activate-model", {"source": "tuneloop", "detail-type": "EvaluationCompleted", "detail": detail})

    assert (steps.deployment(world)["stable"], actions(world)) == (0, [])
