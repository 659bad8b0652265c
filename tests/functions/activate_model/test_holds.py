"""Holds: after a person took a version off, nothing is activated by itself until a person says so."""

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions import scripted_evaluations, steps
from tests.functions.activate_model.verdicts import verdict_event
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, as_promotion, prepare_comparison
from tests.world import TABLE, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.serving.models import Action, HistoryEntry, VersionStatus
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

Move = tuple[str, dict[str, Any]]
TAKEOFFS: tuple[Move, ...] = (("deactivate", {}), ("rollback", {}), ("activate", {"version": 0}))
numbers = count(1)
MOVES: tuple[Move, ...] = (
    *TAKEOFFS,
    ("activate", {"version": 1}),
    ("activate", {}),
    ("resume", {}),
    ("gate", {}),
    ("refusal", {}),
)


def proved_while(world: World, *moves: Move) -> dict[str, Any]:
    """Version 1 is activated, those moves are made, and a verdict lets it through; gives the deployment after that."""
    steps.registered(world)
    steps.decide(world, "activate", {"version": 1})
    for what, body in moves:
        assert steps.decide(world, what, body).status == 200
    steps.proved(world)
    invoke("activate-model", verdict_event())
    return steps.deployment(world)


def served(world: World) -> dict[str, Any]:
    """The model as OpenAI's clients read it, with what it waits for."""
    body: dict[str, Any] = world.call("GET /v1/models/{model}", "/v1/models/support").body
    return body


def announced(world: World, version: int, export: str, dataset: str = "support") -> None:
    """A version came out of a run: all that follows by itself happens."""
    detail = {"tenant": world.tenant, "model": "support", "version": version, "dataset": dataset, "export": export}
    invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": detail})
    world.settle()


def written_before(world: World, model: str, **changes: int) -> None:
    """Store the deployment as a release without holds would have, with numbers of its own."""
    key = keys.deployment(world.tenant, model)
    names = {f"#{name}": name for name in (*changes, "hold", "knows_holds")}
    values = {f":{name}": {"N": str(value)} for name, value in changes.items()}
    setting = ", ".join(f"#{name} = :{name}" for name in changes)
    world.dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        UpdateExpression=f"SET {setting} REMOVE #hold, #knows_holds",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )


@pytest.mark.parametrize("takeoff", TAKEOFFS, ids=lambda takeoff: takeoff[0])
def test_what_a_person_took_off_stays_off(takeoff: Move, world: World) -> None:
    what, body = takeoff

    found = proved_while(world, (what, body | {"reason": "users complain"}))

    assert found["stable"] == 0
    assert (found["hold"]["action"], found["hold"]["reason"]) == (what, "users complain")
    assert found["hold"]["by"].startswith("key key-")
    assert found["waiting_for"] == served(world)["waiting_for"]
    assert "POST /v1/models/support/resume" in found["waiting_for"]
    line = steps.history(world)[0]
    assert (line["action"], line["by"], line["evaluation"]) == ("refuse", "gate", "eval-1")
    assert line["reason"].startswith("why But key key-")
    assert line["reason"].endswith(
        "activate version 1, or POST /v1/models/support/resume and ask for its evaluation again with `promote: true`."
    )


@pytest.mark.parametrize("lifting", [("resume", {}), ("activate", {"version": 2})], ids=lambda move: move[0])
def test_a_person_lets_versions_be_activated_again(lifting: Move, world: World) -> None:
    steps.registered(world)
    steps.registered(world)

    found = proved_while(world, ("deactivate", {}), lifting, ("activate", {"version": 2}), ("activate", {"version": 2}))

    assert (found["hold"], found["waiting_for"], served(world)["waiting_for"]) == (None, None, None)


def test_a_version_is_activated_by_itself_after_a_resume(world: World) -> None:
    found = proved_while(world, ("deactivate", {}), ("resume", {"reason": "the template is mended"}))

    assert (found["stable"], found["hold"]) == (1, None)
    lines = [(line["action"], line["reason"]) for line in steps.history(world)]
    assert lines[:2] == [("activate", "why"), ("resume", "the template is mended")]


def test_resuming_activates_nothing_and_says_what_could_be(world: World) -> None:
    held = proved_while(world, ("deactivate", {}))

    resumed = steps.decide(world, "resume").body
    again = steps.decide(world, "resume").body

    [refused] = resumed["could_activate"]
    assert (refused["version"], refused["against"], refused["evaluation"]) == (1, 0, "eval-1")
    assert held["hold"]["refused"] == [refused]
    assert (resumed["stable"], resumed["step"]) == (0, held["step"])
    assert (again["could_activate"], again["hold"]) == ([], None)
    assert [line["action"] for line in steps.history(world)][:3] == ["resume", "refuse", "deactivate"]


def test_holding_what_is_held_changes_nothing(world: World) -> None:
    steps.registered(world)
    first = steps.decide(world, "deactivate", {"reason": "at night"}).body

    second = steps.decide(world, "deactivate", {"reason": "once more"}).body

    assert first == second
    assert (first["step"], first["hold"]["reason"]) == (0, "at night")
    assert [(line["action"], line["reason"]) for line in steps.history(world)] == [("deactivate", "at night")]


def test_a_trial_by_hand_neither_makes_a_hold_nor_lifts_one(world: World) -> None:
    steps.registered(world)
    assert steps.share(world, 1, 0.1).body["hold"] is None
    assert steps.share(world, None, 0.0).body["hold"] is None

    steps.decide(world, "deactivate")

    assert steps.share(world, 1, 0.1).body["hold"]["action"] == "deactivate"
    steps.proved(world)
    invoke("activate-model", verdict_event())
    assert (steps.deployment(world)["stable"], steps.deployment(world)["candidate"]) == (0, 1)


def test_taking_a_candidate_off_holds_too(world: World) -> None:
    steps.registered(world)
    steps.share(world, 1, 0.5)

    assert steps.decide(world, "rollback", {"reason": "corrections"}).body["hold"]["action"] == "rollback"


def test_only_who_may_deploy_resumes(world: World) -> None:
    steps.registered(world)
    key = world.new_key(Scope.TRAIN, Scope.READ)

    answer = world.call("POST /v1/models/{model}/resume", "/v1/models/support/resume", {}, key=key)

    assert answer.status == 403


def test_a_refused_verdict_that_comes_again_is_named_once(world: World) -> None:
    proved_while(world, ("deactivate", {}))

    for _ in range(2):
        invoke("activate-model", verdict_event())

    assert len(steps.deployment(world)["hold"]["refused"]) == 1
    assert [line["action"] for line in steps.history(world)] == ["refuse", "deactivate", "activate"]


def test_a_version_that_was_refused_twice_is_named_once(world: World) -> None:
    proved_while(world, ("deactivate", {}))
    steps.proved(world, "eval-2")

    invoke("activate-model", verdict_event(evaluation="eval-2"))

    assert [refusal["evaluation"] for refusal in steps.deployment(world)["hold"]["refused"]] == ["eval-2"]


def test_what_can_t_answer_any_more_could_not_be_activated(world: World) -> None:
    proved_while(world, ("deactivate", {}))
    scripted_evaluations.change_version(world, 1, status=VersionStatus.RETIRED)

    assert steps.decide(world, "resume").body["could_activate"] == []


def test_a_verdict_against_the_candidate_says_nothing_of_the_hold(world: World) -> None:
    steps.registered(world)
    steps.decide(world, "deactivate")

    invoke("activate-model", verdict_event(promote=False, reason="Not proved better."))

    assert steps.history(world)[0]["reason"] == "Not proved better."
    assert steps.deployment(world)["hold"]["refused"] == []


def test_a_newer_version_is_not_activated_either(world: World) -> None:
    first, second = prepare_comparison(world, scripted_evaluations.lines(40), ("v1", "v2"))
    ScriptedProvider(answers_known_to("v2"))
    steps.decide(world, "activate", {"version": 1})
    steps.decide(world, "deactivate", {"reason": "users complain"})

    announced(world, 2, second["export"])

    [found] = scripted_evaluations.list_evaluations(world)
    assert (found["intent"], found["verdict"]["promote"]) == ("promote", True)
    assert steps.deployment(world)["stable"] == 0
    assert [line["action"] for line in steps.history(world)] == ["refuse", "deactivate", "activate"]
    assert first["export"] == second["export"]


def test_a_late_verdict_has_nothing_evaluated_again_under_a_hold(world: World) -> None:
    _, second = prepare_comparison(world, scripted_evaluations.lines(40), ("v1", "v2"))
    steps.decide(world, "activate", {"version": 1})
    ScriptedProvider(answers_known_to("v2"))
    scripted_evaluations.request_evaluation(world, as_promotion(second))
    steps.decide(world, "rollback")

    world.settle()

    [found] = scripted_evaluations.list_evaluations(world)
    assert (found["candidate"], found["stable"]) == (2, 1)
    assert steps.deployment(world)["stable"] == 0
    assert steps.deployment(world)["hold"]["refused"][0]["against"] == 1


def test_after_a_resume_the_refused_verdict_counts_once_it_is_asked_for(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(40))
    ScriptedProvider(answers_known_to("v1"))
    steps.decide(world, "deactivate")
    refused = scripted_evaluations.evaluate_to_end(world, as_promotion(body))
    assert steps.deployment(world)["stable"] == 0
    steps.decide(world, "resume")
    world.settle()
    assert steps.deployment(world)["stable"] == 0

    answers = [scripted_evaluations.request_evaluation(world, as_promotion(body)) for _ in range(3)]
    world.settle()

    assert {answer["id"] for answer in answers} == {refused["id"]}
    assert steps.deployment(world)["stable"] == 1
    assert [line["action"] for line in steps.history(world)] == ["activate", "resume", "refuse", "deactivate"]


def test_a_promotion_that_is_asked_for_under_a_hold_is_refused_in_words(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(40))
    ScriptedProvider(answers_known_to("v1"))
    steps.decide(world, "deactivate", {"reason": "users complain"})

    for _ in range(2):
        scripted_evaluations.evaluate_to_end(world, as_promotion(body))

    assert steps.deployment(world)["stable"] == 0
    assert {line["action"] for line in steps.history(world)} == {"refuse", "deactivate"}
    assert "users complain" in steps.history(world)[0]["reason"]


def line_of(world: World, number: int, action: Action, by: str, stable: int) -> None:
    """A line of history as releases without holds wrote it."""
    entry = HistoryEntry(
        model="support", step=number, at=utc_now(), action=action, reason=f"line {number}", stable=stable, by=by
    )
    app.table.commit(ConditionalPut(keys.history(world.tenant, "support", number), entry))


@pytest.mark.parametrize(
    ("lines", "is_held"),
    [
        ([], False),
        ([("activate", "key key-1", 1), ("deactivate", "key key-1", 0)], True),
        ([("activate", "gate", 1), ("rollback", "key key-1", 0)], True),
        ([("activate", "gate", 1), ("activate", "key key-1", 0)], True),
        ([("deactivate", "key key-1", 0), ("activate", "key key-1", 1)], False),
        ([("deactivate", "key key-1", 0), ("activate", "gate", 1)], False),
        ([("deactivate", "key key-1", 0), ("share", "key key-1", 0)], True),
        ([("deactivate", "key key-1", 0)] + [("refuse", "gate", 0)] * 60, True),
        ([("activate", "key key-1", 1)] + [("refuse", "gate", 1)] * 60, False),
        ([("refuse", "gate", 0), ("share", "key key-1", 0)], False),
    ],
)
def test_what_was_taken_off_before_an_upgrade_stays_off_after_it(
    lines: list[tuple[str, str, int]], is_held: bool, world: World
) -> None:
    steps.registered(world)
    for number, (action, by, stable) in enumerate(lines, start=2):
        line_of(world, number, Action(action), by, stable)
    stable = lines[-1][2] if lines else 0
    written_before(world, "support", stable=stable, seq=len(lines) + 2)

    assert (steps.deployment(world)["hold"] is not None) == is_held
    assert (served(world)["waiting_for"] is not None) == is_held

    steps.registered(world)
    steps.proved(world, stable=stable)
    event = verdict_event(stable=stable)
    event["detail"]["candidate"] = 2
    invoke("activate-model", event)

    assert steps.deployment(world)["stable"] == (stable if is_held else 2)
    assert app.models.deployment(world.tenant, "support").knows_holds


def test_an_evaluation_of_before_an_upgrade_undoes_no_emergency(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(40))
    ScriptedProvider(answers_known_to("v1"))
    steps.decide(world, "activate", {"version": 1})
    steps.decide(world, "deactivate", {"reason": "users complain"})
    asked = scripted_evaluations.request_evaluation(world, body)
    row = keys.evaluation(world.tenant, asked["id"])
    world.dynamodb.update_item(
        TableName=TABLE, Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}}, UpdateExpression="REMOVE intent"
    )
    written_before(world, "support", stable=0)

    world.settle()

    found = scripted_evaluations.read_evaluation(world, asked["id"])
    assert (found["intent"], found["verdict"]["promote"]) == ("promote", True)
    assert steps.deployment(world)["stable"] == 0
    assert [line["action"] for line in steps.history(world)] == ["refuse", "deactivate", "activate"]


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=st.lists(st.sampled_from(MOVES), max_size=8))
def test_the_history_alone_tells_whether_a_model_is_held(moves: list[Move], world: World) -> None:
    model = f"m-{next(numbers)}"
    steps.registered(world, model)
    steps.registered(world, model)
    for number, (what, body) in enumerate(moves):
        if what in ("gate", "refusal"):
            evaluation = f"eval-{model}-{number}"
            stable = steps.deployment(world, model)["stable"]
            steps.proved(world, evaluation, dataset=model, stable=stable)
            event = verdict_event(promote=what == "gate", stable=stable, evaluation=evaluation)
            event["detail"] |= {"model": model, "candidate": 2}
            invoke("activate-model", event)
        else:
            steps.decide(world, what, body, model=model)
    known = steps.deployment(world, model)

    written_before(world, model, stable=known["stable"])
    told = steps.deployment(world, model)

    assert (known["hold"] is None) == (told["hold"] is None)
    assert known | {"hold": None, "waiting_for": None} == told | {"hold": None, "waiting_for": None}
