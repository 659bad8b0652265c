"""Budgets: nothing is launched beyond a month's without a word of its user, and each dollar is counted once."""

from decimal import Decimal
from typing import Any

import pytest

from check_status import orphan_jobs, refresh
from launch_finetune import cancel as cancelling
from launch_finetune import launch as launching
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import ProviderOutage, SlowProvider
from tests.functions.runs import cancel_run, confirm_run, request_run
from tests.unit.factories import a_run
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.training.budgets import month_of
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.providers.catalog import price_of
from tuneloop.store.repositories.budgets import Spendings

MONTH_S = 32 * 86_400


@pytest.fixture(autouse=True)
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the trainer does cost something: a thousand dollars for a million tokens."""
    free = price_of("trainer", steps.BASE_MODEL)
    assert free
    prices = {"training_per_1m": 1000, "input_per_1m": 0, "output_per_1m": 0, "base_input_per_1m": 0}
    offer = free.model_copy(update={name: Decimal(price) for name, price in prices.items()})
    offer = offer.model_copy(update={"base_output_per_1m": Decimal(0)})
    for module in (refresh, orphan_jobs, cancelling, launching):
        monkeypatch.setattr(module, "price_of", lambda *_: offer)


def budget(world: World) -> dict[str, Any]:
    answer = world.call("GET /v1/budget", "/v1/budget")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def asked(world: World, dataset: str) -> ControlledRun:
    """A run of a dataset, as far as it gets."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset, "on_drop": "collect"})
    world.drop(dataset, steps.questions(40))
    run = request_run(world, dataset).body["id"]
    world.settle()
    return app.runs.get(world.tenant, run)


def test_a_month_shows_what_is_reserved_and_then_what_was_spent(live: World) -> None:
    app.spendings.set_budget(live.tenant, Decimal(50))
    run = asked(live, "one")
    held = budget(live)

    ended = steps.followed(live, run.id)
    over = budget(live)

    assert held["month"] == month_of(utc_now())
    assert (held["limit_usd"], held["spent_usd"]) == (50.0, 0.0)
    assert held["reserved_usd"] == pytest.approx(float(run.estimated_cost_usd or 0), abs=1e-6)
    assert held["reserved_usd"] > 0
    assert held["left_usd"] == pytest.approx(50 - held["reserved_usd"])
    assert (over["spent_usd"], over["reserved_usd"]) == (pytest.approx(ended["training_cost_usd"]), 0.0)


def test_without_a_budget_what_is_spent_is_counted_all_the_same(live: World) -> None:
    run = asked(live, "one")

    cost = steps.followed(live, run.id)["training_cost_usd"]

    seen = budget(live)
    assert (seen["limit_usd"], seen["left_usd"]) == (None, None)
    assert seen["spent_usd"] == pytest.approx(cost)


def test_beyond_the_budget_a_run_waits_for_a_confirmation_of_itself_alone(live: World) -> None:
    SlowProvider()
    first = asked(live, "one")
    estimate = first.reserved_usd or Decimal(0)
    app.spendings.set_budget(live.tenant, estimate * Decimal("1.5"))

    second = asked(live, "two")
    confirm_run(live, second.id)
    live.settle()
    third = asked(live, "three")

    assert second.status.value == third.status.value == "awaiting_confirmation"
    words = second.waiting_for or ""
    assert "budget of $" in words
    assert "is left, and the estimate is $" in words
    confirmed = app.runs.get(live.tenant, second.id).reserved_usd or Decimal(0)
    assert confirmed > estimate / 2
    assert budget(live)["reserved_usd"] == pytest.approx(float(estimate + confirmed))
    assert budget(live)["left_usd"] < 0


def test_of_two_that_are_launched_at_once_only_one_takes_the_last_dollars(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    SlowProvider()
    estimate = asked(live, "one").reserved_usd or Decimal(0)
    app.spendings.set_budget(live.tenant, estimate * Decimal("2.5"))
    of = Spendings.of
    rivals: list[ControlledRun] = []

    def slowly(spendings: Spendings, tenant: str, month: str) -> Any:
        seen = of(spendings, tenant, month)
        if not rivals:  # who reserves between our look and our write
            rivals.append(a_run(tenant=tenant, id="run-rival", reserved_usd=estimate, reserved_month=month))
            app.runs.reserve(rivals[0], seen[1])
        return seen

    monkeypatch.setattr(Spendings, "of", slowly)

    late = asked(live, "two")

    assert (late.status.value, late.reserved_usd) == ("awaiting_confirmation", None)
    assert "is left, and the estimate is" in (late.waiting_for or "")
    assert budget(live)["reserved_usd"] == pytest.approx(float(2 * estimate))


def test_what_is_cancelled_or_fails_gives_back_what_it_did_not_cost(live: World) -> None:
    SlowProvider()
    run = asked(live, "one")
    cancel_run(live, run.id)

    seen = budget(live)

    assert (seen["spent_usd"], seen["reserved_usd"]) == (pytest.approx(0.1), 0.0)  # a hundred tokens


def test_a_run_that_is_submitted_again_and_again_is_reserved_for_once(live: World) -> None:
    provider = ProviderOutage()
    run = asked(live, "one")
    for _ in range(3):
        live.schedule("launch-finetune")
    waiting = budget(live)
    provider.leave()
    live.schedule("launch-finetune")

    steps.followed(live, run.id)

    assert waiting["reserved_usd"] == pytest.approx(float(run.estimated_cost_usd or 0), abs=1e-6)
    assert budget(live)["reserved_usd"] == 0.0


def test_a_run_that_waits_for_its_provider_beyond_the_month_s_end_goes_on(live: World, later: Later) -> None:
    provider = ProviderOutage()
    run = asked(live, "one")
    provider.leave()
    later(MONTH_S)
    live.schedule("launch-finetune")

    ended = steps.followed(live, run.id)

    assert ended["status"] == "succeeded"
    _, spending = app.spendings.of(live.tenant, month_of(run.created_at))
    assert float(spending.spent_usd) == pytest.approx(ended["training_cost_usd"])
    assert spending.reserved_usd == 0


def test_a_run_is_counted_in_the_month_of_its_launch_not_of_its_end(live: World, later: Later) -> None:
    provider = SlowProvider()
    run = asked(live, "one")
    provider.leave()
    later(MONTH_S)
    live.schedule("check-status")

    ended = steps.followed(live, run.id)

    assert budget(live)["spent_usd"] == 0.0
    _, spending = app.spendings.of(live.tenant, month_of(run.created_at))
    assert float(spending.spent_usd) == pytest.approx(ended["training_cost_usd"])
    assert spending.reserved_usd == 0


def test_an_unknown_price_is_confirmed_by_hand_and_said_not_to_be_counted(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (refresh, launching):
        monkeypatch.setattr(module, "price_of", lambda *_: None)
    app.spendings.set_budget(live.tenant, Decimal(1))
    run = asked(live, "one")
    assert run.status.value == "awaiting_confirmation"

    confirm_run(live, run.id)
    live.settle()

    assert "not counted" in app.runs.get(live.tenant, run.id).notes[0]
    assert budget(live)["reserved_usd"] == 0.0


def test_a_run_s_limit_counts_what_its_evaluation_will_cost(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = price_of("trainer", steps.BASE_MODEL)
    assert offer
    known = dict.fromkeys(("input_per_1m", "base_input_per_1m", "base_output_per_1m", "training_per_1m"), Decimal(0))
    dear = offer.model_copy(update={**known, "output_per_1m": Decimal(10**7)})
    monkeypatch.setattr(launching, "price_of", lambda *_: dear)
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "one", "on_drop": "collect"})
    live.drop("one", steps.questions(300))
    run = live.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "one"}).body["id"]
    live.settle()

    waiting = steps.look(live, run)

    assert (waiting["status"], waiting["estimated_cost_usd"]) == ("awaiting_confirmation", 0.0)
    assert waiting["estimated_evaluation_usd"] > 25
    assert "with its evaluation" in waiting["waiting_for"]
