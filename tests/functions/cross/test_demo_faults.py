"""The demo's look at an evaluation that compared nothing: it says why, and ends."""

from pathlib import Path
from typing import Any

import pytest

from local.demo.journey import DemoJourney
from local.demo.report import DemoReport
from local.demo.screen import Screen
from local.demo.steps import evaluate
from ops.smoke.journey import LoopError
from tests.functions import scripted_evaluations
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, evaluate_to_end, prepare_comparison
from tests.world import World

ROWS = 40


class OneWorld(DemoJourney):
    """A scene whose API is a world's; the demo's own is on a stack."""

    world: World

    @property
    def api(self) -> Any:
        return self

    def get(self, path: str) -> Any:
        return self.world.call(f"GET /v1{path}", f"/v1{path}").body


@pytest.fixture
def scene(world: World, tmp_path: Path) -> DemoJourney:
    none: Any = None
    made = OneWorld(stack=none, screen=Screen(), data=tmp_path, test=None, dataset="support")
    made.world = world
    return made


@pytest.fixture
def report(tmp_path: Path) -> DemoReport:
    return DemoReport(tmp_path / "report.json")


def test_without_rows_to_prove_it_on_the_demo_says_so(world: World, scene: DemoJourney, report: DemoReport) -> None:
    [body] = prepare_comparison(world, [])
    evaluate_to_end(world, body)

    with pytest.raises(LoopError, match="No examples were kept to prove it on"):
        evaluate(scene, report)


def test_a_version_that_can_t_answer_ends_the_demo_with_the_reason(
    world: World, scene: DemoJourney, report: DemoReport
) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(lambda _: scripted_evaluations.refuse())
    evaluate_to_end(world, body)

    with pytest.raises(LoopError, match="answered none of 40 questions"):
        evaluate(scene, report)


def test_what_was_compared_is_reported(world: World, scene: DemoJourney, report: DemoReport) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(answers_known_to("v1"))
    evaluate_to_end(world, body)

    evaluate(scene, report)

    assert (report.evaluation["examples"], report.evaluation["tuned_accuracy"]) == (ROWS, 1.0)
