"""Requests, verdicts and decisions in any order: what a person took off never comes back by itself."""

import random
from typing import Any

import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, as_promotion, prepare_comparison
from tests.world import World, invoke
from tuneloop.app import app

MOVES = ("report", "promote", "announce", "deliver", "again", "deactivate", "rollback", "resume", "activate", "share")
STEPS = 14


class Play:
    """One model with two versions that are better than its base, and moves of which nobody knows the order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bodies = prepare_comparison(world, scripted_evaluations.lines(20), ("v1", "v2"))
        ScriptedProvider(answers_known_to("v1", "v2"))

    def make(self, move: str, body: dict[str, Any]) -> None:
        """Make one move, whether it is refused or not."""
        if move in ("report", "promote"):
            asked = as_promotion(body) if move == "promote" else body
            self.world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, asked)
        elif move == "announce":
            detail = {"tenant": self.world.tenant, **body}
            invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": detail})
        elif move == "deliver":
            self.world.settle()
        elif move == "again":
            for event in self.world.events:
                if event["detail-type"] == "EvaluationCompleted":
                    invoke("activate-model", event)
        elif move == "share":
            steps.share(self.world, body["version"], 0.1)
        else:
            steps.decide(self.world, move, {"version": body["version"]} if move == "activate" else {})


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_activated_by_itself_under_a_hold(seed: int, world: World) -> None:
    chance, play = random.Random(seed), Play(world)

    for _ in range(STEPS):
        before = steps.deployment(world)
        move = chance.choice(MOVES)
        play.make(move, chance.choice(play.bodies))
        after = steps.deployment(world)
        if before["hold"] and move not in ("deactivate", "rollback", "activate"):
            assert after["stable"] == before["stable"], move
        if before["hold"] and after["hold"] is None:
            assert move in ("resume", "activate")
        if move in ("deactivate", "rollback") and after["step"] > before["step"]:
            assert after["hold"]
    world.settle()

    decided = {line["evaluation"] for line in steps.history(world) if line["by"] == "gate"}
    for evaluation in app.evaluations.all(world.tenant):
        assert evaluation.intent == "promote" or evaluation.id not in decided


@pytest.mark.parametrize("seed", range(2))
def test_reports_alone_never_change_who_answers(seed: int, world: World) -> None:
    chance, play = random.Random(100 + seed), Play(world)

    for _ in range(STEPS):
        play.make(chance.choice(("report", "deliver", "again", "report")), chance.choice(play.bodies))
    world.settle()

    assert (steps.deployment(world)["step"], steps.history(world)) == (0, [])
    assert {evaluation["intent"] for evaluation in scripted_evaluations.list_evaluations(world)} <= {"report"}
