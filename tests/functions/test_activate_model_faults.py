"""activate-model when verdicts come late: proved against a version that no longer serves."""

from typing import Any

import pytest

from tests.functions import contests, steps
from tests.functions.contests import Playing, contest, knowing
from tests.world import World, invoke
from tuneloop.app import app, utc_now


def verdicts(world: World) -> list[dict[str, Any]]:
    """The verdicts that were announced, oldest first."""
    return [event for event in world.events if event["detail-type"] == "EvaluationCompleted"]


@pytest.fixture
def overtaken(world: World) -> World:
    """Two versions were evaluated against the base model at once, and the first verdict put version 1 on."""
    first, second = contest(world, contests.lines(40), ("v1", "v2"))
    Playing(lambda asked: knowing("v1", "v2")(asked) if contests.number_in(asked) % 4 else knowing("v2")(asked))
    for body in (first, second):
        contests.request(world, body)
    world.settle()
    return world


def test_a_candidate_proved_against_what_no_longer_serves_is_compared_with_what_does(overtaken: World) -> None:
    found = [(each["candidate"], each["stable"], each["look"]) for each in contests.every(overtaken)]

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
    assert len(contests.every(overtaken)) == len(steps.history(overtaken)) == 3


def test_a_verdict_for_what_was_put_on_by_hand_meanwhile_asks_for_nothing(world: World) -> None:
    [body] = contest(world, contests.lines(40))
    Playing(knowing("v1"))
    asked = contests.request(world, body)
    steps.decide(world, "activate", {"version": 1})

    world.settle()

    assert [each["id"] for each in contests.every(world)] == [asked["id"]]
    assert steps.deployment(world)["stable"] == 1
    assert "put before everybody by hand meanwhile" in steps.history(world)[0]["reason"]
    assert list(app.outbox.unrelayed(utc_now())) == []
