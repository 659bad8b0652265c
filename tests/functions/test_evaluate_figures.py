"""What an evaluation says of itself: its look, whether its rows suffice, and what it cost."""

from decimal import Decimal

import pytest

from tests.functions import contests
from tests.functions.contests import Playing, contest, ended, knowing
from tests.world import BUCKET, World
from tuneloop.app import app, utc_now
from tuneloop.domain.examples import Split
from tuneloop.domain.pricing import Price

ROWS = 40


def test_only_evaluations_that_ask_rows_are_looks(world: World) -> None:
    [without] = contest(world, [])
    Playing(knowing("v1"))
    nothing = ended(world, without)
    world.drop("support", contests.lines(ROWS), name="test/own.jsonl")
    world.schedule("collect-examples")
    world.settle()
    export = app.exports.page(world.tenant, "support", 10, None).data[0]

    found = ended(world, without | {"export": export.id})

    assert (nothing["look"], nothing["examples"], nothing["too_few"]) == (0, 0, True)
    assert (found["look"], found["examples"], found["too_few"]) == (1, ROWS, False)


def test_too_few_rows_are_told_apart_from_rows_that_were_trained_on(world: World) -> None:
    [body] = contest(world, contests.lines(19))
    Playing(knowing("v1"))

    found = ended(world, body)

    assert (found["too_few"], found["contaminated"], found["removed_overlap"]) == (True, False, 0)
    assert found["verdict"]["reason"].startswith("19 test rows are too few to prove anything; that takes 20.")


def test_a_contaminated_test_set_is_not_called_too_small(world: World) -> None:
    [body] = contest(world, contests.lines(30))
    trained = app.exports.get(world.tenant, "support", body["export"])
    train, test = trained.files[Split.TRAIN].key, trained.files[Split.TEST].key
    world.s3.copy_object(Bucket=BUCKET, Key=train, CopySource=f"{BUCKET}/{test}")
    contests.changed(world, 1, dataset="support", export=trained.id)
    Playing(knowing("v1"))

    found = ended(world, body)

    assert (found["contaminated"], found["removed_overlap"], found["verdict"]["promote"]) == (True, 30, False)
    assert "30 of 30 test rows were in training data" in found["verdict"]["reason"]


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
    monkeypatch.setattr("evaluate.judge.price_of", lambda *_: prices[0])
    [body, other] = contest(world, contests.lines(ROWS), ("v1", "v2"))
    Playing(lambda _: "never")

    found = ended(world, body)
    prices[0] = None
    unknown = ended(world, other)

    assert found["arms"]["candidate"]["cost_usd"] == pytest.approx(ROWS * 0.0024)
    assert found["arms"]["stable"]["cost_usd"] == found["arms"]["base"]["cost_usd"] == pytest.approx(ROWS * 0.0012)
    assert found["cost_usd"] == pytest.approx(ROWS * 0.0036)
    assert (unknown["status"], unknown["cost_usd"]) == ("completed", None)
