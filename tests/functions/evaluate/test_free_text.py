"""Free text through the real entry point: what the evaluation says, and what its figures are."""

from typing import Any

import pytest

from tests.examples import chat
from tests.functions import scripted_evaluations, steps
from tests.functions.scripted_evaluations import (
    ScriptedProvider,
    as_promotion,
    evaluate_to_end,
    number_in,
    prepare_comparison,
)
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.serving.models import Version

ROWS = 23
CANNED = "I am sorry, but that is something that I can't help you with."


def reply(number: int) -> str:
    return f"Parcel {number} left the depot this morning, so you should have it on Tuesday at the latest."


def text_rows(rows: int = ROWS) -> list[dict[str, Any]]:
    """Test rows that expect a sentence of their own each."""
    return [chat(f"What of parcel {number}?", reply(number)) for number in range(rows)]


def id_rows(rows: int = ROWS) -> list[dict[str, Any]]:
    """Test rows that expect a different short id each."""
    return [chat(f"What of parcel {number}?", f"INV-{number * 37}") for number in range(rows)]


def long_answers(world: World, export: str) -> None:
    """The export's training answers are too long for its row, as those of a dataset of long texts."""
    found = app.exports.get(world.tenant, "support", export)
    app.exports.rewrite(found.model_copy(update={"most_frequent_answer": ""}))


@pytest.mark.parametrize("knowing", [(), ("v1",), ("base",), ("v1", "base")], ids=str)
def test_free_text_gets_no_verdict_for_or_against(knowing: tuple[str, ...], world: World) -> None:
    [body] = prepare_comparison(world, text_rows())
    ScriptedProvider(
        lambda asked: (
            reply(7) if number_in(asked) == 7 and scripted_evaluations.arm_of(asked) in knowing else "On its way!"
        )
    )

    found = evaluate_to_end(world, as_promotion(body))

    verdict, arms = found["verdict"], found["arms"]
    assert (verdict["promote"], verdict["code"], found["free_text"]) == (False, "free_text", ROWS)
    assert [arms[arm]["correct"] for arm in ("candidate", "stable")] == ["v1" in knowing, "base" in knowing]
    assert (arms["candidate"]["examples"], found["comparison"] is not None) == (ROWS, True)
    assert arms["most_frequent"]["correct"] == 0
    assert steps.deployment(world)["stable"] == 0
    assert steps.history(world)[0]["reason"] == verdict["reason"]


def test_different_ids_are_compared_as_ever(world: World) -> None:
    [body] = prepare_comparison(world, id_rows())
    ScriptedProvider(
        lambda asked: f"INV-{number_in(asked) * 37}" if scripted_evaluations.arm_of(asked) == "v1" else "none"
    )

    found = evaluate_to_end(world, as_promotion(body))

    assert (found["free_text"], found["verdict"]["code"]) == (0, "better")
    assert steps.deployment(world)["stable"] == 1


def test_texts_that_a_version_has_learnt_word_for_word_are_compared(world: World) -> None:
    [body] = prepare_comparison(world, text_rows())
    ScriptedProvider(lambda asked: reply(number_in(asked)) if scripted_evaluations.arm_of(asked) == "v1" else "none")

    assert evaluate_to_end(world, body)["verdict"]["code"] == "better"


@pytest.mark.parametrize(("canned", "right"), [(0, 0), (15, 15)])
def test_the_bar_of_long_answers_is_their_commonest_one(canned: int, right: int, world: World) -> None:
    rows = text_rows(30)
    for row in rows[:canned]:
        row["messages"][-1]["content"] = CANNED
    [body] = prepare_comparison(world, rows)
    long_answers(world, body["export"])
    ScriptedProvider(lambda asked: CANNED if scripted_evaluations.arm_of(asked) == "v1" else "none")

    found = evaluate_to_end(world, as_promotion(body))

    assert found["arms"]["most_frequent"]["correct"] == right
    assert found["verdict"]["code"] == ("commonest_answer" if canned else "free_text")
    assert steps.deployment(world)["stable"] == 0


def test_a_version_of_free_text_is_activated_by_hand(world: World) -> None:
    [body] = prepare_comparison(world, text_rows())
    ScriptedProvider(lambda _: "On its way!")
    evaluate_to_end(world, as_promotion(body))

    assert steps.decide(world, "activate", {"version": 1}).body["stable"] == 1
    assert isinstance(app.models.version(world.tenant, "support", 1), Version)
