"""What an evaluation says of itself: its look, whether its rows suffice, and what it cost."""

import json
import tracemalloc
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from evaluate.ask import EvaluationObjects
from tests.examples import chat
from tests.functions import scripted_evaluations
from tests.functions.scripted_evaluations import ScriptedProvider, answers_known_to, evaluate_to_end, prepare_comparison
from tests.unit.factories import an_export
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.pricing import Price

ROWS = 40


def test_only_evaluations_that_ask_rows_are_looks(world: World) -> None:
    [without] = prepare_comparison(world, [])
    ScriptedProvider(answers_known_to("v1"))
    nothing = evaluate_to_end(world, without)
    world.drop("support", scripted_evaluations.lines(ROWS), name="test/own.jsonl")
    world.schedule("collect-examples")
    world.settle()
    export = app.exports.page(world.tenant, "support", 10, None).data[0]

    found = evaluate_to_end(world, without | {"export": export.id})

    assert (nothing["look"], nothing["examples"], nothing["too_few"]) == (0, 0, True)
    assert (found["look"], found["examples"], found["too_few"]) == (1, ROWS, False)


def test_too_few_rows_are_told_apart_from_rows_that_were_trained_on(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(19))
    ScriptedProvider(answers_known_to("v1"))

    found = evaluate_to_end(world, body)

    assert (found["too_few"], found["contaminated"], found["removed_overlap"]) == (True, False, 0)
    assert found["verdict"]["reason"].startswith("19 test rows are too few to prove anything; that takes 20.")


def test_what_an_evaluation_cost_is_told_once_for_each_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    price = Price(
        input_per_1m=Decimal(2),
        output_per_1m=Decimal(4),
        base_input_per_1m=Decimal(1),
        base_output_per_1m=Decimal(2),
        price_date=utc_now().date(),
        price_source="a test",
    )
    prices: list[Price | None] = [price]
    monkeypatch.setattr("evaluate.score.price_of", lambda *_: prices[0])
    [body, other] = prepare_comparison(world, scripted_evaluations.lines(ROWS), ("v1", "v2"))
    ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)
    prices[0] = None
    unknown = evaluate_to_end(world, other)

    assert found["arms"]["candidate"]["cost_usd"] == pytest.approx(ROWS * 0.0024)
    assert found["arms"]["stable"]["cost_usd"] == found["arms"]["base"]["cost_usd"] == pytest.approx(ROWS * 0.0012)
    assert found["cost_usd"] == pytest.approx(ROWS * 0.0036)
    assert (unknown["status"], unknown["cost_usd"]) == ("completed", None)


def test_of_many_test_rows_so_many_are_asked_the_same_of_every_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluate.run.EVALUATION_ROWS", 25)
    [body, other] = prepare_comparison(world, scripted_evaluations.lines(ROWS), ("v1", "v2"))
    provider = ScriptedProvider(answers_known_to())

    found = evaluate_to_end(world, body)
    evaluate_to_end(world, other)

    export = app.exports.get(world.tenant, "support", body["export"])
    smallest = sorted(EvaluationObjects(app.objects).rows_of(export, Split.TEST), key=lambda example: example.id)[:25]
    chosen = {example.messages[0]["content"] for example in smallest}
    assert (found["rows_available"], found["rows_asked"], found["examples"]) == (ROWS, 25, 25)
    assert {arm["examples"] for arm in found["arms"].values()} == {25}
    assert found["arms"]["most_frequent"]["correct"] <= 25
    assert set(provider.answered) == {(arm, question) for arm in ("v1", "v2", "base") for question in chosen}
    assert len(provider.sent) == 2 * 2 * 25


def test_answers_to_rows_that_are_asked_no_longer_do_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.ask.RETRY_WAITS_S", ())
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(
        lambda asked: (
            answers_known_to("v1")(asked) if provider.answered.total() < 30 else scripted_evaluations.be_away()
        )
    )
    waiting = evaluate_to_end(world, body)

    monkeypatch.setattr("evaluate.run.EVALUATION_ROWS", 25)
    provider.script = answers_known_to("v1")
    world.schedule("evaluate")

    found = scripted_evaluations.read_evaluation(world, waiting["id"])
    assert (found["status"], found["rows_asked"], found["arms"]["candidate"]["correct"]) == ("completed", 25, 25)


def test_rows_that_are_not_asked_are_not_held() -> None:
    texts = ("x" * 2000 + str(number) for number in range(4000))
    lines = (json.dumps(chat(text, "late")).encode() for text in texts)
    objects: Any = SimpleNamespace(lines=lambda _: lines)

    tracemalloc.start()
    found = EvaluationObjects(objects).test_rows(an_export(), [], 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(found) == 20
    assert peak < 1 << 20
