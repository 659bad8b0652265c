"""activate-model through its real entry point: decisions, their history, and who is served by what."""

from decimal import Decimal
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.activate_model.verdicts import verdict_event
from tests.functions.runs import use_provider
from tests.world import World, invoke
from tuneloop.app import app
from tuneloop.domain.core.pricing import inference_cost
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.providers.catalog import price_of
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

USERS = [f"user-{number}" for number in range(120)]
MINI = "gpt-4.1-mini-2025-04-14"


def arm_of(world: World, user: str) -> str:
    route = world.call("GET /v1/models/{model}/route", "/v1/models/support/route", user=user).body
    arm: str = route["arm"]
    return arm


def on_candidate(world: World) -> set[str]:
    return {user for user in USERS if arm_of(world, user) == "candidate"}


def test_a_model_without_a_dataset_is_served_by_its_base(world: World) -> None:
    answer = world.call("POST /v1/models", "/v1/models", {"id": "support"})

    assert (answer.status, answer.body["latest_version"]) == (201, 0)
    found = steps.deployment(world)
    assert (found["stable"], found["candidate"], found["share"]) == (0, None, 0.0)
    assert world.call("POST /v1/models", "/v1/models", {"id": "support"}).status == 409


def test_versions_are_numbered_and_listed_newest_first(world: World) -> None:
    for name in ("one", "two"):
        steps.registered(world, provider_model=name, prompt=f"as {name}", parameters={"temperature": 0.5})

    page = world.call("GET /v1/models/{model}/versions", "/v1/models/support/versions").body["data"]

    assert [(version["number"], version["provider_model"]) for version in page] == [
        (2, "two"),
        (1, "one"),
        (0, steps.BASE_MODEL),
    ]
    assert (page[0]["prompt"], page[0]["parameters"]) == ("as two", {"temperature": 0.5})
    assert [version["is_finetuned"] for version in page] == [False, False, False]


@pytest.mark.parametrize(
    ("wanted", "billed_as", "is_finetuned", "usd"),
    [
        ({"provider_model": "ft:gpt-4.1-mini-2025-04-14:us::1"}, MINI, True, "4"),
        ({"provider_model": "ft:gpt-4o-2024-08-06:us::1"}, "gpt-4o-2024-08-06", True, "18.75"),
        ({"provider_model": "gpt-4o-2024-08-06"}, "gpt-4o-2024-08-06", False, "12.50"),
        ({"provider_model": MINI}, MINI, False, "2"),
        ({"provider_model": "gpt-9"}, "gpt-9", False, None),
        ({"provider_model": "ft:gpt-9:us::1"}, "gpt-9", True, None),
        ({"provider_model": "ft:"}, "ft:", False, None),
        ({"provider_model": "gpt-9", "is_finetuned": True}, "gpt-9", True, None),
        ({"provider_model": "my-deployment", "base_model": MINI}, MINI, True, "4"),
        ({"provider_model": "my-deployment", "base_model": MINI, "is_finetuned": False}, MINI, False, "2"),
    ],
)
def test_a_version_by_hand_has_the_price_of_what_its_id_says_or_none(
    wanted: dict[str, Any],
    billed_as: str,
    is_finetuned: bool,
    usd: str | None,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_provider("openai", MINI, monkeypatch)
    number = steps.registered(world, **wanted)

    version = app.models.version(world.tenant, "support", number)
    price = price_of(version.provider, version.base_model)
    cost = inference_cost(price, 1_000_000, 1_000_000, is_finetuned=version.is_finetuned)

    assert (version.base_model, version.is_finetuned) == (billed_as, is_finetuned)
    assert cost == (Decimal(usd) if usd else None)


def test_activating_another_version_says_that_it_ends_a_trial(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    steps.share(world, 2, 0.5)
    steps.proved(world)

    invoke("activate-model", verdict_event(reason="Clearly better."))
    steps.share(world, 2, 0.5)
    steps.decide(world, "deactivate", {"reason": "users complain"})

    ended = "(The trial of version 2 was ended by this.)"
    found = [line["reason"] for line in steps.history(world) if line["action"] != "share"]
    assert found == [f"users complain {ended}", f"Clearly better. {ended}"]
    assert steps.deployment(world)["reason"] == found[0]


def test_a_verdict_for_the_candidate_activates_it_and_gives_the_reason(world: World) -> None:
    steps.registered(world)
    steps.proved(world)

    invoke("activate-model", verdict_event(reason="clearly better"))
    world.settle()

    found = steps.deployment(world)
    assert (found["stable"], found["previous"], found["reason"]) == (1, 0, "clearly better")
    [line] = steps.history(world)
    assert (line["action"], line["by"], line["evaluation"], line["reason"]) == (
        "activate",
        "gate",
        "eval-1",
        "clearly better",
    )
    assert world.delivered.count("DeploymentChanged") == 1


def test_a_verdict_delivered_twice_is_one_decision(world: World) -> None:
    steps.registered(world)
    steps.proved(world)

    for _ in range(3):
        invoke("activate-model", verdict_event())

    assert len(steps.history(world)) == 1
    assert steps.deployment(world)["step"] == 1


def test_a_verdict_that_comes_again_does_not_undo_what_was_decided_since(world: World) -> None:
    steps.registered(world)
    steps.proved(world)
    invoke("activate-model", verdict_event())
    steps.decide(world, "deactivate")

    invoke("activate-model", verdict_event())

    assert steps.deployment(world)["stable"] == 0
    assert [line["action"] for line in steps.history(world)] == ["deactivate", "activate"]


def test_a_verdict_against_the_candidate_is_recorded_and_changes_nothing(world: World) -> None:
    steps.registered(world)

    invoke("activate-model", verdict_event(promote=False, reason="not proved better"))
    world.settle()

    assert (steps.deployment(world)["stable"], steps.deployment(world)["step"]) == (0, 0)
    [line] = steps.history(world)
    assert (line["action"], line["reason"], line["stable"]) == ("refuse", "not proved better", 0)
    assert "DeploymentChanged" not in world.delivered


def test_a_verdict_over_what_no_longer_serves_proves_nothing(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    steps.decide(world, "activate", {"version": 2})
    steps.proved(world)

    invoke("activate-model", verdict_event(stable=0))

    assert steps.deployment(world)["stable"] == 2
    assert "evaluated again" in steps.history(world)[0]["reason"]


@pytest.mark.usefixtures("world")
def test_a_verdict_on_a_model_that_nobody_has_fails_loudly() -> None:
    with pytest.raises(FunctionFailed, match="NotFound"):
        invoke("activate-model", verdict_event())


def test_by_hand_a_version_is_activated_taken_back_and_put_back(world: World) -> None:
    for _ in range(2):
        steps.registered(world)

    taken = [
        steps.decide(world, "activate", {"version": 1, "reason": "try it"}).body["stable"],
        steps.decide(world, "activate").body["stable"],
        steps.decide(world, "rollback").body["stable"],
        steps.decide(world, "deactivate", {"reason": "users complain"}).body["stable"],
    ]

    assert taken == [1, 2, 1, 0]
    lines = steps.history(world)
    assert [line["action"] for line in lines] == ["deactivate", "rollback", "activate", "activate"]
    assert [line["reason"] for line in lines] == ["users complain", "by hand", "by hand", "try it"]
    assert all(line["by"].startswith("key key-") for line in lines)


def test_activating_what_serves_already_decides_nothing(world: World) -> None:
    steps.registered(world)

    answers = [steps.decide(world, "activate", {"version": 1}) for _ in range(2)]

    assert [answer.body["step"] for answer in answers] == [1, 1]
    assert len(steps.history(world)) == 1


def test_there_must_be_something_to_activate_or_to_go_back_to(world: World) -> None:
    steps.registered(world)

    assert steps.decide(world, "activate", {"version": 7}).status == 404
    assert steps.decide(world, "rollback").body["error"]["code"] == "no_previous"
    assert steps.share(world, 0, 0.5).status == 409
    assert steps.share(world, 7, 0.5).status == 404


def test_only_a_version_that_is_ready_can_answer(world: World) -> None:
    steps.registered(world)
    version = app.models.version("acme", "support", 1)
    deploying = version.model_copy(update={"status": VersionStatus.DEPLOYING})
    app.table.commit(ConditionalPut(keys.version("acme", "support", 1), deploying))

    for answer in (steps.decide(world, "activate"), steps.share(world, 1, 0.5)):
        assert (answer.status, answer.body["error"]["param"]) == (409, "version")


def test_a_share_is_sticky_and_monotone(world: World) -> None:
    steps.registered(world)

    steps.share(world, 1, 0.3)
    first = on_candidate(world)
    again = on_candidate(world)
    steps.share(world, 1, 0.6)
    more = on_candidate(world)
    steps.share(world, 1, 1.0)
    everybody = on_candidate(world)
    steps.share(world, 1, 0.0)

    assert first == again
    assert first < more < everybody == set(USERS)
    assert 0.15 < len(first) / len(USERS) < 0.45
    assert 0.45 < len(more) / len(USERS) < 0.75
    assert on_candidate(world) == set()


def test_another_candidate_is_tried_on_other_users(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    steps.share(world, 1, 0.5)
    first = on_candidate(world)

    steps.share(world, 2, 0.5)

    assert 0.25 < len(first & on_candidate(world)) / len(first) < 0.75


def test_rolling_back_takes_the_candidate_off_and_leaves_stable(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    steps.decide(world, "activate", {"version": 1})
    steps.share(world, 2, 0.5)

    rolled = steps.decide(world, "rollback", {"reason": "more corrections"}).body

    assert (rolled["stable"], rolled["candidate"], rolled["share"]) == (1, None, 0.0)
    assert on_candidate(world) == set()
