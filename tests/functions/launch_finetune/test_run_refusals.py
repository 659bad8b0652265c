"""What a provider won't take is refused when it is asked for, and before anything is uploaded."""

from datetime import timedelta
from typing import Any

import pytest

from launch_finetune import checks, launch
from tests.functions import steps
from tests.functions.datasets import prepare_dataset
from tests.functions.providers import CallCounter, DeclaredCapabilities, ProviderProxy, jobs_of
from tests.functions.refusals import refused
from tests.functions.runs import confirm_run, only_run, request_run, use_provider
from tests.unit.factories import an_export
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.serving.sunset import Shutdowns
from tuneloop.domain.training.model_offers import Capabilities, Offer, Successor
from tuneloop.providers.port import ListedModel

NOVA = "amazon.nova-micro-v1:0"
LATER = "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"base_model": "gpt-9"}, "unknown_base_model", "base_model"),
        ({"hyperparameters": {"n_epochs": 51}}, "not_supported", "hyperparameters.n_epochs"),
        ({"hyperparameters": {"learning_rate": 0.001}}, "not_supported", "hyperparameters.learning_rate"),
        ({"hyperparameters": {"beta": 0.1}}, "not_supported", "hyperparameters.beta"),
        ({"hyperparameters": {"prompt_loss_weight": 0.1}}, "no_longer_accepted", "hyperparameters.prompt_loss_weight"),
        ({"hyperparameters": {"epochs": 3}}, "extra_forbidden", "hyperparameters.epochs"),
        ({"provider": "nobody"}, "unknown_provider", "provider"),
        ({"revision": 7}, "not_found", "revision"),
        ({"export": "export-7"}, "not_found", "export"),
    ],
    ids=str,
)
def test_what_openai_would_not_take_makes_no_run(
    fields: dict[str, Any], code: str, param: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider("openai", LATER, monkeypatch)
    monkeypatch.setattr(checks, "price_of", lambda *_: None)  # else this fails from its shutdown on
    prepare_dataset(world)

    answer = request_run(world, **fields)

    assert answer.status in (404, 409, 422)
    assert (answer.body["error"]["code"], answer.body["error"]["param"]) == (code, param)
    assert steps.runs(world) == []


def test_the_refusal_of_an_unknown_base_model_names_those_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider("openai", LATER, monkeypatch)
    prepare_dataset(world)

    message = request_run(world, base_model="gpt-9").body["error"]["message"]

    assert LATER in message
    assert "gpt-9" in message


@pytest.mark.parametrize(
    ("able", "region", "param"),
    [
        (Capabilities(regions=("us-east-1",)), "eu-central-1", "region"),
        (Capabilities(longest_suffix=5), None, "suffix"),
        (Capabilities(methods=()), None, "method"),
        (Capabilities(why_not="It is billed by the hour."), None, "base_model"),
        (Capabilities(fewest_examples=1000), None, "dataset"),
    ],
    ids=str,
)
def test_what_a_provider_declares_is_checked_for_requests_and_for_runs(
    able: Capabilities, region: str | None, param: str, live: World
) -> None:
    DeclaredCapabilities(able, region)
    prepare_dataset(live)

    refused(request_run(live), 422, param=param)

    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"on_drop": "train"})
    steps.settled(live, steps.questions(41))
    run = only_run(live)
    assert (run["status"], run["error"]["param"]) == ("failed", param)
    assert jobs_of(run["id"]) == []


def test_a_base_model_is_looked_up_at_its_provider_once_before_the_upload(live: World) -> None:
    counting = CallCounter()
    prepare_dataset(live, 39, base_model="no-such-model")
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"on_drop": "train"})

    steps.settled(live, steps.questions(40))

    run = only_run(live)
    assert run["error"]["param"] == "base_model"
    assert (counting.asked["models"], counting.asked["upload"]) == (1, 0)
    assert jobs_of(run["id"]) == []


def test_a_server_that_lists_nothing_is_believed(live: World) -> None:
    class EmptyModelList(ProviderProxy):
        def models(self, timeout_s: float = 0) -> list[ListedModel]:
            assert timeout_s >= 0
            return []

    EmptyModelList()
    prepare_dataset(live)

    request_run(live)
    live.settle()

    assert only_run(live)["provider_job_id"]


def test_a_validation_file_that_is_the_training_file_proves_nothing() -> None:
    files = an_export().files
    same = an_export(files={split: file.model_copy(update={"sha256": "same"}) for split, file in files.items()})
    none = same.model_copy(
        update={
            "files": same.files | {Split.VALIDATION: same.files[Split.VALIDATION].model_copy(update={"examples": 0})}
        }
    )

    refusal = checks.refusal_of_export(same, Capabilities())

    assert refusal
    assert refusal.code == "same_validation_file"
    assert checks.refusal_of_export(none, Capabilities()) is None


def test_an_alias_and_the_dated_name_are_one_run_that_remembers_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider("openai", LATER, monkeypatch)
    monkeypatch.setattr(checks, "price_of", lambda *_: None)
    prepare_dataset(world, max_run_usd=0)

    asked = request_run(world, base_model="gpt-4o-mini").body
    dated = request_run(world, base_model=LATER).body

    assert asked["id"] == dated["id"]
    assert (asked["base_model"], asked["asked_base_model"]) == (LATER, "gpt-4o-mini")
    assert len(steps.runs(world)) == 1


def test_a_base_model_that_ends_soon_is_confirmed_and_an_ended_one_refused(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = utc_now().date()
    dying = Offer(
        training_per_1m=0,
        price_date=today,
        price_source="this test",
        shutdown_date=today + timedelta(days=20),
        successor=Successor(provider="bedrock", base_model=NOVA),
    )
    monkeypatch.setattr(launch, "price_of", lambda *_: dying)
    prepare_dataset(live)
    run = request_run(live).body["id"]
    live.settle()

    waiting = only_run(live)
    assert waiting["status"] == "awaiting_confirmation"
    assert "in 20 days" in waiting["waiting_for"]
    assert NOVA in waiting["waiting_for"]

    confirm_run(live, run)
    live.settle()
    assert only_run(live)["provider_job_id"]

    monkeypatch.setattr(checks, "price_of", lambda *_: dying.model_copy(update={"shutdown_date": today}))
    assert NOVA in refused(request_run(live, hyperparameters={"n_epochs": 2}), 422, "base_model_shut_down")


def test_a_base_model_past_its_training_end_is_refused_though_it_answers(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = utc_now().date()
    closed = Offer(
        training_per_1m=0,
        price_date=today,
        price_source="this test",
        training_ends=today,
        shutdown_date=today + timedelta(days=90),
        successor=Successor(provider="bedrock", base_model=NOVA),
    )
    monkeypatch.setattr(checks, "price_of", lambda *_: closed)
    prepare_dataset(live)

    answer = refused(request_run(live), 422, "base_model_shut_down")

    assert f"since {today}" in answer
    assert NOVA in answer


def test_an_end_that_only_the_provider_has_announced_counts_as_well(live: World) -> None:
    prepare_dataset(live)
    today = utc_now().date()

    for days, status in ((5, "awaiting_confirmation"), (0, "failed")):
        ends = {steps.BASE_MODEL: today + timedelta(days=days)}
        app.provider_rows.save_shutdowns(Shutdowns(provider="trainer", models=ends, read_at=utc_now()))
        run = request_run(live, hyperparameters={"n_epochs": days + 1}).body["id"]
        live.settle()
        assert app.runs.get(live.tenant, run).status == status
        assert jobs_of(run) == []


def test_an_export_of_preferences_trains_as_such_where_its_provider_can(live: World) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(live, steps.preferences(40))

    asked = request_run(live, hyperparameters={"n_epochs": 2, "beta": 0.2}).body
    live.settle()

    run = only_run(live)
    assert (run["id"], run["method"]) == (asked["id"], "preference")
    assert len(jobs_of(run["id"])) == 1
    assert request_run(live, hyperparameters={"n_epochs": 2, "beta": 0.2}).body["id"] == run["id"]


def test_an_export_of_preferences_names_the_capability_that_is_missing(live: World) -> None:
    DeclaredCapabilities(Capabilities())
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(live, steps.preferences(40))

    assert "supervised" in refused(request_run(live), 422, "not_supported", "method")


def test_an_earlier_revision_is_trained_on_by_its_number_or_its_export(live: World) -> None:
    prepare_dataset(live)
    steps.settled(live, steps.questions(60), "support")

    by_number = request_run(live, revision=1).body
    live.settle()
    by_export = request_run(live, export=by_number["export"]).body

    assert by_number["id"] == by_export["id"]
    assert by_number["export"] != request_run(live).body["export"]
