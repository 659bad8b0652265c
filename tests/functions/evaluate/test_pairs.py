"""Which versions are compared: any two that can answer, the base model included."""

from typing import Any

import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, prepare_comparison
from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.serving.models import VersionStatus

ROWS = 40
UNABLE = sorted({*VersionStatus} - {VersionStatus.READY, VersionStatus.UNVERIFIED})


@pytest.fixture
def body(world: World) -> dict[str, Any]:
    """A request to compare version 1, of three; version 2 is the one that knows everything."""
    [asked, *_] = prepare_comparison(world, scripted_evaluations.lines(ROWS), ("v1", "v2", "v3"))
    ScriptedProvider(answers_known_to("v2"))
    return asked


def asked(world: World, body: dict[str, Any], **fields: Any) -> Answer:
    return world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, body | fields)


def compared(world: World, body: dict[str, Any], **fields: Any) -> tuple[int, int]:
    found = asked(world, body, **fields)
    assert found.status == 202, found.text
    return found.body["candidate"], found.body["stable"]


@pytest.mark.parametrize(("version", "against"), [(1, 2), (2, 1), (1, 0), (0, 1), (2, 3), (0, 2)], ids=str)
def test_any_two_versions_are_compared(version: int, against: int, world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 1})
    before = steps.deployment(world)

    found = scripted_evaluations.evaluate_to_end(world, body | {"version": version, "against": against})

    arms = found["arms"]
    assert (arms["candidate"]["version"], arms["stable"]["version"], arms["base"]["version"]) == (version, against, 0)
    assert (arms["candidate"]["correct"], arms["stable"]["correct"]) == (ROWS * (version == 2), ROWS * (against == 2))
    assert (found["intent"], found["look"], found["examples"]) == ("report", 1, ROWS)
    assert found["verdict"]["promote"] == (version == 2)
    assert "what serves today" not in found["verdict"]["reason"]
    assert steps.deployment(world) == before


def test_what_serves_is_what_a_version_is_compared_with(world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 3})

    assert compared(world, body) == (1, 3)
    assert compared(world, body, version=0) == (0, 3)


def test_what_serves_is_compared_with_what_served_before_it(world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 2})
    steps.decide(world, "activate", {"version": 1})

    assert compared(world, body) == (1, 2)


def test_what_serves_is_compared_with_the_base_where_nothing_else_served(world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 1})

    assert compared(world, body) == (1, 0)


def test_what_served_before_and_can_t_answer_gives_way_to_the_base(world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 2})
    steps.decide(world, "activate", {"version": 1})
    scripted_evaluations.change_version(world, 2, status=VersionStatus.RETIRED)

    assert compared(world, body) == (1, 0)


def test_the_base_that_serves_is_compared_with_what_served_before_it(world: World, body: dict[str, Any]) -> None:
    steps.decide(world, "activate", {"version": 2})
    steps.decide(world, "deactivate")

    assert compared(world, body, version=0) == (0, 2)


def test_the_base_on_its_own_has_nothing_to_be_compared_with(world: World, body: dict[str, Any]) -> None:
    answer = asked(world, body, version=0)

    assert (answer.status, answer.body["error"]["param"]) == (409, "against")
    assert "name the version to compare it with in `against`" in answer.body["error"]["message"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_version_is_not_compared_with_itself(number: int, world: World, body: dict[str, Any]) -> None:
    answer = asked(world, body, version=number, against=number)

    error = answer.body["error"]
    assert (answer.status, error["param"], error["code"]) == (422, "against", "same_version")
    assert f"version {number} can't be compared with itself" in error["message"]


@pytest.mark.parametrize("status", UNABLE)
@pytest.mark.parametrize("side", ["version", "against"])
def test_a_version_that_can_t_answer_is_refused(
    side: str, status: VersionStatus, world: World, body: dict[str, Any]
) -> None:
    scripted_evaluations.change_version(world, 2, status=status)

    answer = asked(world, body, **{"version": 1, "against": 3} | {side: 2})

    error = answer.body["error"]
    assert (answer.status, error["param"], error["code"]) == (409, side, "not_ready")
    assert error["message"].startswith(f"Version 2 is {status}")
    assert scripted_evaluations.list_evaluations(world) == []


def test_an_unverified_version_is_reported_on_and_not_promoted(world: World, body: dict[str, Any]) -> None:
    scripted_evaluations.change_version(world, 2, status=VersionStatus.UNVERIFIED)

    assert compared(world, body, version=2, against=1) == (2, 1)
    answer = asked(world, body, version=2, promote=True)
    assert (answer.status, answer.body["error"]["param"]) == (409, "version")
    assert answer.body["error"]["code"] == "version_unverified"


def test_a_version_that_nobody_has_is_named(world: World, body: dict[str, Any]) -> None:
    for fields in ({"version": 7}, {"against": 7}, {"model": "nobody-s"}):
        assert asked(world, body, **fields).status == 404


def test_the_rows_are_those_of_the_version_s_own_export_or_the_other_s(world: World, body: dict[str, Any]) -> None:
    scripted_evaluations.change_version(world, 2, dataset="support", export=body["export"])
    pair = {"model": "support", "version": 2, "against": 1}

    turned = {"version": 1, "against": 2}
    for fields in (pair, pair | turned, pair | turned | {"version": 0}, pair | {"dataset": "support"}):
        answer = world.call("POST /v1/evaluations", scripted_evaluations.EVALUATIONS, fields)
        assert (answer.status, answer.body["export"]) == (202, body["export"])


@pytest.mark.parametrize("fields", [{}, {"dataset": "other"}, {"dataset": "support"}])
def test_without_an_export_somebody_has_to_name_one(fields: dict[str, str], world: World, body: dict[str, Any]) -> None:
    answer = world.call(
        "POST /v1/evaluations", scripted_evaluations.EVALUATIONS, {"model": "support", "version": 1, **fields}
    )

    assert (answer.status, answer.body["error"]["param"]) == (422, "export")
    assert "name a `dataset` and its `export`" in answer.body["error"]["message"]
    assert body["export"]


def test_the_automatic_path_s_evaluations_keep_their_ids(world: World, body: dict[str, Any]) -> None:
    report = asked(world, body).body

    row = app.evaluations.get(world.tenant, report["id"])

    assert asked(world, body, against=0).body["id"] == row.id
    assert asked(world, body, against=2).body["id"] != row.id
