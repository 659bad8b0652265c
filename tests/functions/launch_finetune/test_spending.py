"""The spending guard: what costs more than its limit, or nobody knows what, waits for its user and for nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from launch_finetune import launch
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import CallCounter, CorruptedUploads, jobs_of
from tests.functions.refusals import refused
from tests.functions.runs import confirm_run, only_run, request_run, use_provider
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.pricing import training_cost
from tuneloop.domain.training.model_offers import Offer

PRICED = "gpt-4.1-mini-2025-04-14"
SPENDS = ({"max_run_usd": 100}, {"base_model": PRICED}, {"on_drop": "train"})


@pytest.fixture
def price(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """A price for the trainer's base model, so that a run of it can wait and then really train."""
    listed = Offer(training_per_1m=Decimal(1000), price_date=utc_now().date(), price_source="this test")
    monkeypatch.setattr(launch, "price_of", lambda *_: listed)
    return listed


def change(world: World, **settings: Any) -> dict[str, Any]:
    answer = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", settings)
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def waiting(world: World, limit: str = "0.01") -> dict[str, Any]:
    """A run that waits for its confirmation."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "train", "max_run_usd": limit})
    steps.settled(world, steps.questions(40))
    run = only_run(world)
    assert run["status"] == "awaiting_confirmation"
    return run


@pytest.mark.parametrize(
    ("provider", "base_model", "on_drop"),
    [
        ("trainer", steps.BASE_MODEL, "train"),
        ("openai", PRICED, "collect"),
        ("openai", "a-model-without-a-price", "collect"),
        ("somebody", steps.BASE_MODEL, "collect"),
    ],
)
def test_drops_train_by_themselves_only_where_that_is_known_to_be_free(
    provider: str, base_model: str, on_drop: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(provider, base_model, monkeypatch)

    dropped = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"}).body
    chosen = world.call("POST /v1/datasets", "/v1/datasets", {"id": "chosen", "on_drop": "train"}).body

    assert (dropped["on_drop"], dropped["max_run_usd"]) == (on_drop, 25)
    assert chosen["on_drop"] == "train"


def test_drops_stop_training_when_their_dataset_moves_to_a_paid_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "train"})
    assert change(world, base_model="another-free-one")["on_drop"] == "train"
    use_provider("openai", PRICED, monkeypatch)

    assert change(world, provider="openai", base_model=PRICED)["on_drop"] == "collect"
    assert change(world, base_model="unknown", on_drop="train")["on_drop"] == "train"
    assert change(world, base_model="unknown")["on_drop"] == "train"


@pytest.mark.parametrize("settings", SPENDS, ids=str)
def test_a_key_that_may_not_train_may_not_make_drops_spend(settings: dict[str, Any], world: World) -> None:
    collecting = world.new_key(*(scope for scope in Scope if scope != Scope.TRAIN))
    route, path = "PATCH /v1/datasets/{dataset}", "/v1/datasets/support"
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"}, key=collecting)

    refused(world.call(route, path, settings, key=collecting), 403, "insufficient_scope")
    refused(world.call("POST /v1/datasets", "/v1/datasets", {"id": "new", **settings}, key=collecting), 403)

    found = app.datasets.get(world.tenant, "support")
    assert (found.on_drop.value, float(found.max_run_usd), found.base_model) == ("collect", 25.0, steps.BASE_MODEL)
    assert app.datasets.find(world.tenant, "new") is None
    assert world.call(route, path, {"on_drop": "collect"}, key=collecting).status == 200


def test_a_run_above_its_limit_shows_its_estimate_and_what_it_waits_for(world: World, price: Offer) -> None:
    run = waiting(world)

    export = app.exports.get(world.tenant, "support", run["export"])
    tokens = export.files["train"].tokens * 3  # type: ignore[index]
    expected = training_cost(price, tokens)
    assert expected
    assert run["estimated_cost_usd"] == pytest.approx(float(expected))
    estimate, limit = f"${expected:.2f}", "$0.0100"
    assert (
        run["waiting_for"] == f"A confirmation: the estimate of {estimate} is above the limit of {limit} for one run."
    )
    assert run["waiting_since"] >= run["created_at"]


@pytest.mark.usefixtures("price")
def test_a_run_at_its_limit_does_not_wait(live: World) -> None:
    estimate = waiting(live)["estimated_cost_usd"]
    steps.settled(live, steps.questions(40), dataset="other")
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/other", {"max_run_usd": estimate})

    request_run(live, "other")
    live.settle()

    assert {run["dataset"]: run["status"] for run in steps.runs(live)}["other"] != "awaiting_confirmation"


@pytest.mark.usefixtures("price")
def test_a_waiting_run_costs_nothing_and_goes_on_by_its_confirmation_alone(live: World, later: Later) -> None:
    run = waiting(live)
    provider = CallCounter()

    change(live, max_run_usd=1000)
    for event in list(live.events):
        if event["detail-type"] in ("DatasetSettled", "ExportCreated", "TrainingRunRequested"):
            invoke("launch-finetune", event)
    for days in (0, 1, 32):
        later(days * 86_400)
        for function, schedule in (
            ("launch-finetune", "every-5-minutes"),
            ("launch-finetune", "monthly"),
            ("check-status", "every-5-minutes"),
            ("collect-examples", "every-5-minutes"),
        ):
            live.schedule(function, schedule)
            live.settle()
    assert request_run(live).body["id"] == run["id"]
    live.settle()

    seen = only_run(live)
    assert (seen["status"], seen["provider_job_id"]) == ("awaiting_confirmation", None)
    assert (seen["waiting_for"], seen["waiting_since"]) == (run["waiting_for"], run["waiting_since"])
    called = {name for name in provider.asked if callable(getattr(provider.real, name, None))}
    assert called <= {"capabilities", "prepare", "models"}  # the list that is read for the request costs nothing


@pytest.mark.usefixtures("price")
def test_a_run_that_is_confirmed_trains_once_however_often_that_is_said(live: World) -> None:
    run = waiting(live)["id"]
    change(live, max_run_usd=0)

    answers = [confirm_run(live, run) for _ in range(3)]
    live.settle()
    again = confirm_run(live, run)

    assert [answer.status for answer in (*answers, again)] == [202] * 4
    assert answers[0].body["waiting_for"] is None
    assert len(jobs_of(run)) == 1
    ended = steps.followed(live, run)
    assert (ended["status"], ended["version"]) == ("succeeded", 1)


def test_a_run_that_waits_for_nothing_cannot_be_confirmed(live: World) -> None:
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]

    refused(confirm_run(live, run), 409, "conflict", "run")
    steps.followed(live, run)
    refused(confirm_run(live, run), 409, "conflict", "run")


@pytest.mark.usefixtures("price")
def test_only_a_key_that_may_train_confirms(live: World) -> None:
    run = waiting(live)["id"]
    route, path = "POST /v1/training-runs/{run}/confirm", f"/v1/training-runs/{run}/confirm"
    others = live.new_key(*(scope for scope in Scope if scope != Scope.TRAIN))
    rival = live.new_key(*Scope, tenant=f"{live.tenant}-2")

    refused(live.call(route, path, key=others), 403, "insufficient_scope")
    refused(live.call(route, path, key=rival), 404)
    live.settle()

    assert only_run(live)["status"] == "awaiting_confirmation"


@pytest.mark.usefixtures("price")
def test_a_confirmation_is_for_one_run_and_one_attempt(live: World) -> None:
    spoiled = CorruptedUploads()
    run = waiting(live)["id"]
    confirm_run(live, run)
    live.settle()
    assert steps.followed(live, run)["status"] == "failed"
    spoiled.leave()

    second = request_run(live).body["id"]
    live.settle()

    assert second != run
    assert app.runs.get(live.tenant, second).status == "awaiting_confirmation"
