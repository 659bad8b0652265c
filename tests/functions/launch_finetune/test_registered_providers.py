"""Providers that were added to a stage: datasets train there, models are served from there, and prices are theirs."""

from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import KEY, Later
from tests.functions.erasures import SUBJECT, erase_subject, sweep_erasures
from tests.functions.providers import stage_provider
from tests.functions.refusals import refused
from tests.functions.runs import only_run, request_run
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.access import Scope
from tuneloop.domain.training.jobs import TrainingFile
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.runtime.entry_point import FunctionFailed

OTHER = "selfhosted"
PARAMETER = f"/tuneloop/test/providers/{OTHER}/key"


@pytest.fixture
def other(live: World, trainer: str) -> World:
    """A world that knows the trainer by another name too, under which the catalog lists no price."""
    live.ssm.put_parameter(Name=PARAMETER, Value=KEY, Type="SecureString", Overwrite=True)
    app.provider_rows.save(RegisteredProvider(name=OTHER, base_url=trainer, key_parameter=PARAMETER))
    return live


def created(world: World, **settings: Any) -> dict[str, Any]:
    answer = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", **settings})
    assert answer.status == 201, answer.text
    body: dict[str, Any] = answer.body
    return body


def test_a_dataset_trains_at_an_added_provider_once_its_price_is_confirmed(other: World) -> None:
    made = created(other, provider=OTHER, base_model=steps.BASE_MODEL, on_drop="train")
    assert (made["provider"], made["on_drop"]) == (OTHER, "train")

    steps.settled(other, steps.questions(40))
    run = only_run(other)
    assert (run["provider"], run["status"], run["estimated_cost_usd"]) == (OTHER, "awaiting_confirmation", None)
    other.call("POST /v1/training-runs/{run}/confirm", f"/v1/training-runs/{run['id']}/confirm")
    other.settle()

    ended = steps.followed(other, run["id"])
    assert (ended["status"], ended["version"]) == ("succeeded", 1)
    assert app.models.version(other.tenant, "support", 1).provider == OTHER


def test_a_run_may_be_asked_for_at_another_provider_than_its_dataset_s(other: World) -> None:
    created(other, on_drop="collect")
    steps.settled(other, steps.questions(40))

    refused(request_run(other, provider=OTHER), 422, "missing", "base_model")
    run = request_run(other, provider=OTHER, base_model=steps.BASE_MODEL).body

    assert run["provider"] == OTHER
    assert run["id"] != request_run(other).body["id"]


@pytest.mark.parametrize(
    ("route", "path", "body"),
    [
        ("POST /v1/datasets", "/v1/datasets", {"id": "new", "base_model": "m"}),
        ("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"base_model": "m"}),
        ("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support", "base_model": "m"}),
        ("POST /v1/models", "/v1/models", {"id": "new", "base_model": "m"}),
        ("POST /v1/models/{model}/versions", "/v1/models/support/versions", {"provider_model": "m"}),
    ],
)
def test_an_unknown_provider_is_refused_by_naming_the_known_ones(
    route: str, path: str, body: dict[str, Any], other: World
) -> None:
    created(other)

    message = refused(other.call(route, path, {**body, "provider": "nobody"}), 409, "unknown_provider", "provider")

    assert f"{OTHER}, trainer" in message


def test_drops_stop_training_when_their_dataset_moves_to_a_paid_provider(other: World) -> None:
    assert created(other)["on_drop"] == "train"
    path = "/v1/datasets/support"

    def change(**settings: Any) -> dict[str, Any]:
        answer = other.call("PATCH /v1/datasets/{dataset}", path, settings)
        assert answer.status == 200, answer.text
        body: dict[str, Any] = answer.body
        return body

    refused(other.call("PATCH /v1/datasets/{dataset}", path, {"provider": OTHER}), 422, "missing", "base_model")
    moved = change(provider=OTHER, base_model=steps.BASE_MODEL)
    assert (moved["provider"], moved["on_drop"]) == (OTHER, "collect")
    assert change(provider="trainer", base_model="m", on_drop="train")["on_drop"] == "train"
    assert change(provider=OTHER, base_model="m", on_drop="train")["on_drop"] == "train"


def test_only_a_key_that_may_train_chooses_a_provider(other: World) -> None:
    collecting = other.new_key(*(scope for scope in Scope if scope != Scope.TRAIN))
    created(other)

    wanted = {"provider": "trainer"}
    answer = other.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", wanted, key=collecting)
    refused(answer, 403, "insufficient_scope")


def test_a_model_and_each_of_its_versions_may_be_served_from_elsewhere(other: World) -> None:
    body = {"id": "chat", "provider": OTHER, "base_model": steps.BASE_MODEL}
    assert other.call("POST /v1/models", "/v1/models", body).status == 201
    refused(other.call("POST /v1/models", "/v1/models", {"id": "bare", "provider": OTHER}), 422, "missing")
    path = "/v1/models/chat/versions"

    own = other.call("POST /v1/models/{model}/versions", path, {"provider_model": steps.BASE_MODEL}).body
    elsewhere = {"provider_model": steps.BASE_MODEL, "provider": "trainer"}
    moved = other.call("POST /v1/models/{model}/versions", path, elsewhere).body

    assert (own["provider"], moved["provider"]) == (OTHER, "trainer")
    question = {"model": "chat", "messages": [{"role": "user", "content": "Where is order 1?"}]}
    answer = other.call("POST /v1/chat/completions", "/v1/chat/completions", question)
    assert answer.status == 200, answer.text


def test_a_dataset_and_a_model_keep_the_dated_name_of_what_was_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_PROVIDER", "openai")
    app.__dict__.pop("settings", None)
    dated = "gpt-4o-mini-2024-07-18"

    for _ in range(2):  # the same once more is no other
        assert created(world, base_model="gpt-4o-mini")["base_model"] == dated
    changed = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"base_model": "gpt-4.1"}).body
    model = world.call("POST /v1/models", "/v1/models", {"id": "chat", "base_model": "gpt-4o-mini"}).body

    assert (changed["base_model"], model["base_model"]) == ("gpt-4.1-2025-04-14", dated)
    version = world.call(
        "POST /v1/models/{model}/versions", "/v1/models/chat/versions", {"provider_model": "gpt-4o-mini"}
    ).body
    assert (version["base_model"], version["is_finetuned"]) == (dated, False)


def test_estimates_are_those_of_the_dataset_s_own_provider(world: World) -> None:
    created(world, base_model=steps.BASE_MODEL)
    world.drop("support", steps.questions(40))
    app.datasets.save(
        app.datasets.get(world.tenant, "support").model_copy(update={"provider": "bedrock", "base_model": "nova"})
    )

    answer = world.call("GET /v1/datasets/{dataset}/estimate", "/v1/datasets/support/estimate").body

    found = {estimate["base_model"]: estimate for estimate in answer["estimates"]}
    assert found["amazon.nova-micro-v1:0"]["estimated_cost_usd"]
    assert found["amazon.nova-lite-v1:0"]["estimated_cost_usd"] is None
    assert any("$1.95 a month" in note for note in found["amazon.nova-micro-v1:0"]["notes"])
    assert any("Training:" in note for note in found["amazon.nova-lite-v1:0"]["notes"])


def removed() -> None:
    """Take the provider away again, from processes that have used it too."""
    app.provider_rows.remove(OTHER)
    app.__dict__.pop("providers", None)


def trained_elsewhere(world: World) -> str:
    """A run at the provider that was added, submitted."""
    created(world, provider=OTHER, base_model=steps.BASE_MODEL, on_drop="train")
    steps.settled(world, steps.questions(40))
    run: str = only_run(world)["id"]
    world.call("POST /v1/training-runs/{run}/confirm", f"/v1/training-runs/{run}/confirm")
    world.settle()
    return run


def test_a_run_whose_provider_was_removed_says_so_until_it_is_back(other: World, trainer: str) -> None:
    run = trained_elsewhere(other)
    removed()

    other.schedule("check-status")
    waiting = steps.look(other, run)
    app.provider_rows.save(RegisteredProvider(name=OTHER, base_url=trainer, key_parameter=PARAMETER))

    assert waiting["finished_at"] is None
    assert waiting["waiting_for"].startswith(f"There is no provider {OTHER}")
    assert steps.followed(other, run)["status"] == "succeeded"


def test_a_run_that_has_ended_is_shown_though_its_provider_was_removed(other: World) -> None:
    run = trained_elsewhere(other)
    ended = steps.followed(other, run)
    removed()

    assert steps.look(other, run) == ended


def test_a_removed_provider_keeps_no_other_s_files_from_being_erased(other: World, later: Later) -> None:
    lines = [*steps.questions(40), chat("Where is my order?", "late", subject=SUBJECT, split="train")]
    created(other, on_drop="train")
    steps.settled(other, lines)
    run = only_run(other)["id"]
    steps.followed(other, run)
    elsewhere = request_run(other, provider=OTHER, base_model=steps.BASE_MODEL).body["id"]
    other.settle()
    other.call("POST /v1/training-runs/{run}/confirm", f"/v1/training-runs/{elsewhere}/confirm")
    other.settle()
    steps.followed(other, elsewhere)
    removed()
    erase_subject(other, SUBJECT)

    with pytest.raises(FunctionFailed):
        sweep_erasures(other, later)

    assert stage_provider().find_file(TrainingFile(other.tenant, run, Split.TRAIN)) is None
    assert stage_provider().find_file(TrainingFile(other.tenant, elsewhere, Split.TRAIN))


def test_the_base_model_answers_where_a_version_s_provider_was_removed(other: World) -> None:
    assert other.call("POST /v1/models", "/v1/models", {"id": "chat"}).status == 201
    elsewhere = {"provider_model": steps.BASE_MODEL, "provider": OTHER}
    other.call("POST /v1/models/{model}/versions", "/v1/models/chat/versions", elsewhere)
    other.settle()
    other.call("POST /v1/models/{model}/activate", "/v1/models/chat/activate", {"version": 1})
    removed()

    question = {"model": "chat", "messages": [{"role": "user", "content": "Where is order 1?"}]}
    answer = other.call("POST /v1/chat/completions", "/v1/chat/completions", question)

    assert answer.status == 200, answer.text
    assert (answer.body["tuneloop"]["version"], answer.body["tuneloop"]["fallback"]) == (0, True)
