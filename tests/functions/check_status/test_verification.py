"""A version that was registered by hand: its provider is asked whether it has such a model before it can go live."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.providers import CallCounter, ProviderProxy
from tests.functions.refusals import refused
from tests.unit.providers.server import Play, Server
from tests.world import ENVIRONMENT, Answer, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.providers.port import KEY_MISSING
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

MISTYPED = "ft:gpt-4o-2024-08-06:personal::abc123"
VERSIONS = "/v1/models/support/versions"
AWAY = ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")
AN_HOUR_S = 3600


class ModelCheck(ProviderProxy):
    """Says whether it has a model as it is told to, or fails at it; counts how often it was asked."""

    def __init__(self, said: bool | Exception | None) -> None:
        super().__init__()
        self.said, self.asked = said, 0

    def has_model(self, _: str, timeout_s: float) -> bool | None:
        assert timeout_s > 0
        self.asked += 1
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def register(world: World, provider_model: str = steps.BASE_MODEL, **fields: Any) -> dict[str, Any]:
    """Register a version of `support` by hand, undisturbed by what comes of it."""
    world.call("POST /v1/models", "/v1/models", {"id": "support"})
    answer = world.call("POST /v1/models/{model}/versions", VERSIONS, {"provider_model": provider_model, **fields})
    assert answer.status == 201, answer.text
    body: dict[str, Any] = answer.body
    return body


def look(world: World, number: int = 1) -> dict[str, Any]:
    rows = world.call("GET /v1/models/{model}/versions", VERSIONS).body["data"]
    found: dict[str, Any] = next(row for row in rows if row["number"] == number)
    return found


def activate(world: World, **body: Any) -> Answer:
    return steps.decide(world, "activate", body)


def again(world: World, number: int = 1) -> Answer:
    return world.call("POST /v1/models/{model}/versions/{number}/deploy", f"{VERSIONS}/{number}/deploy")


def test_what_the_provider_has_is_ready_within_the_event(live: World) -> None:
    made = register(live)
    assert (made["status"], bool(made["waiting_for"])) == ("verifying", True)
    refused(activate(live, version=1), 409, "version_verifying", "version")

    live.settle()

    seen = look(live)
    assert (seen["status"], seen["waiting_for"], seen["error"]) == ("ready", None, None)
    assert activate(live, version=1).body["stable"] == 1
    assert [event["detail-type"] for event in live.events].count("VersionReady") == 1


def test_a_mistyped_id_never_goes_live(live: World) -> None:
    register(live, MISTYPED)
    live.settle()

    seen = look(live)
    assert (seen["status"], seen["error"]["code"]) == ("failed", "model_not_found")
    assert MISTYPED in seen["error"]["message"]
    answer = activate(live, version=1)
    refused(answer, 409, "version_failed", "version")
    assert MISTYPED in answer.body["error"]["message"]
    refused(steps.share(live, 1, 0.5), 409, "version_failed", "version")
    assert steps.ask(live, model="support:1").status == 409
    assert steps.deployment(live)["stable"] == 0
    assert "VersionReady" not in [event["detail-type"] for event in live.events]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "no list of models"),
        (ProviderUnavailable("The provider's key is not in SSM.", code=KEY_MISSING), "not in SSM"),
        (ProviderRefused("The provider refused the call: 418."), "418"),
    ],
    ids=repr,
)
def test_where_nobody_can_say_a_person_may_by_its_number(said: Any, why: str, live: World) -> None:
    ModelCheck(said)
    register(live)
    live.settle()

    seen = look(live)
    assert seen["status"] == "unverified"
    assert why in seen["waiting_for"]
    answer = activate(live, version=1, reason="we know it")
    assert answer.body["stable"] == 1
    assert answer.body["reason"].startswith("we know it (Version 1 is unverified")
    assert "unverified" in steps.history(live)[0]["reason"]
    assert steps.ask(live, model="support:1").status == 200


def test_unverified_it_is_not_activated_unless_it_is_named(live: World) -> None:
    register(live, verify=False)
    assert look(live)["status"] == "unverified"
    activate(live, version=1)
    steps.decide(live, "deactivate")

    refused(activate(live), 409, "version_unverified", "version")

    assert activate(live, version=1).status == 200


def test_a_trial_of_an_unverified_version_says_so(live: World) -> None:
    register(live, verify=False)

    answer = steps.share(live, 1, 0.5)

    assert (answer.body["candidate"], "unverified" in answer.body["reason"]) == (1, True)


@pytest.mark.parametrize("status", [VersionStatus.VERIFYING, VersionStatus.UNVERIFIED, VersionStatus.FAILED])
def test_the_gate_activates_nothing_that_was_not_verified(status: VersionStatus, world: World) -> None:
    steps.registered(world)
    version = app.models.version(world.tenant, "support", 1)
    app.models.save_version(version.model_copy(update={"status": status}))
    steps.proved(world)
    verdict = {"promote": True, "reason": "It is better."}
    detail = {"tenant": world.tenant, "evaluation": "eval-1", "model": "support", "candidate": 1, "stable": 0}
    event = {"source": "tuneloop", "detail-type": "EvaluationCompleted", "detail": {**detail, "verdict": verdict}}

    invoke("activate-model", event)

    assert steps.deployment(world)["stable"] == 0
    assert f"version 1 is {status}" in steps.history(world)[0]["reason"]


def test_a_provider_that_is_away_is_asked_for_an_hour(live: World, later: Later) -> None:
    provider = ModelCheck(AWAY)
    register(live)
    live.settle()
    assert (look(live)["status"], "APITimeoutError" in look(live)["waiting_for"]) == ("verifying", True)
    refused(activate(live, version=1), 409, "version_verifying", "version")

    later(AN_HOUR_S - 60)
    live.schedule("check-status")
    assert look(live)["status"] == "verifying"
    later(AN_HOUR_S)
    live.schedule("check-status")

    seen = look(live)
    assert (seen["status"], "for an hour" in seen["waiting_for"], provider.asked) == ("unverified", True, 3)


def test_a_provider_that_comes_back_is_heard_by_the_sweep(live: World) -> None:
    provider = ModelCheck(AWAY)
    register(live)
    live.settle()
    provider.said = True

    live.schedule("check-status")

    assert look(live)["status"] == "ready"


@pytest.mark.parametrize(("said", "status"), [(False, "failed"), (None, "unverified")])
def test_asked_once_more_the_provider_may_know_better(said: Any, status: str, live: World) -> None:
    provider = ModelCheck(said)
    register(live)
    live.settle()
    assert look(live)["status"] == status
    provider.said = True

    begun = again(live)
    live.settle()

    assert (begun.status, begun.body["status"], begun.body["error"]) == (200, "verifying", None)
    assert look(live)["status"] == "ready"
    assert again(live).status == 409


def test_what_an_unverified_version_serves_goes_on_while_it_is_asked_again(live: World) -> None:
    register(live, verify=False)
    activate(live, version=1)
    again(live)

    assert steps.ask(live).body["tuneloop"]["version"] == 1
    assert steps.decide(live, "rollback").body["stable"] == 0


def test_deactivate_and_rollback_ask_nobody_and_wait_for_nothing(live: World) -> None:
    first, second = steps.registered(live), steps.registered(live)
    for number in (first, second):
        activate(live, version=number)
        version = app.models.version(live.tenant, "support", number)
        app.models.save_version(version.model_copy(update={"status": VersionStatus.FAILED}))
    counting = CallCounter()

    assert steps.decide(live, "rollback").body["stable"] == first
    assert steps.decide(live, "deactivate").body["stable"] == 0
    assert not counting.asked


def test_registering_again_is_another_version_with_an_answer_of_its_own(live: World) -> None:
    provider = ModelCheck(False)
    register(live)
    live.settle()
    provider.said = True

    second = register(live)
    live.settle()

    assert (second["number"], look(live, 1)["status"], look(live, 2)["status"]) == (2, "failed", "ready")
    assert activate(live, version=2).status == 200


def test_a_version_that_is_retired_while_it_is_asked_about_stays_retired(live: World) -> None:
    class RetiringModelCheck(ModelCheck):
        def has_model(self, model: str, timeout_s: float) -> bool | None:
            live.call("DELETE /v1/models/{model}/versions/{number}", f"{VERSIONS}/1")
            return super().has_model(model, timeout_s)

    RetiringModelCheck(True)
    register(live)

    live.settle()

    assert look(live)["status"] == "retired"


def test_the_event_twice_and_after_the_sweep_changes_nothing(live: World) -> None:
    provider = ModelCheck(True)
    register(live)
    live.schedule("check-status")
    live.settle()
    event = next(event for event in live.events if event["detail-type"] == "VersionVerificationRequested")

    invoke("check-status", event)
    invoke("check-status", event)

    assert (provider.asked, look(live)["status"]) == (1, "ready")


def test_a_version_at_a_provider_that_was_removed_waits_then_is_unverified(live: World, later: Later) -> None:
    register(live)
    version = app.models.version(live.tenant, "support", 1)
    app.models.save_version(version.model_copy(update={"provider": "gone"}))
    live.settle()
    assert "There is no provider gone" in look(live)["waiting_for"]

    later(AN_HOUR_S)
    live.schedule("check-status")

    assert look(live)["status"] == "unverified"


def test_versions_stored_as_ready_by_older_code_stay_so_unchecked(live: World) -> None:
    provider = ModelCheck(False)
    live.call("POST /v1/models", "/v1/models", {"id": "support"})
    base = app.models.version(live.tenant, "support", 0)
    old = Version(**base.model_dump(exclude={"number", "seq"}), number=1)
    row = ConditionalPut(keys.version(live.tenant, "support", 1), old)
    app.table.commit(row)

    live.schedule("check-status")
    live.settle()

    assert (look(live)["status"], provider.asked) == ("ready", 0)
    assert activate(live, version=1).status == 200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server().running() as played:
        yield played


@pytest.mark.parametrize(
    ("plays", "status"),
    [
        ([Play(b'{"detail": "Not Found"}', 404), Play(b'{"data": [{"id": "my-lora"}]}')], "ready"),
        ([Play(b'{"detail": "Not Found"}', 404), Play(b'{"data": [{"id": "base"}]}')], "failed"),
        ([Play(b'{"detail": "Not Found"}', 404), Play(b'{"data": []}')], "unverified"),
        ([Play(b"<html>", 404, kind="text/html")], "unverified"),
        ([Play(b"{}", 501)], "unverified"),
        ([Play(b"{}", 503)], "verifying"),
        ([Play(b'{"error": {"code": "invalid_api_key"}}', 401)], "unverified"),
    ],
    ids=str,
)
def test_servers_of_every_kind_are_told_apart(
    plays: list[Play], status: str, world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(world, server.url, monkeypatch)
    server.plays_next(*plays)
    register(world, "my-lora")

    world.settle()

    assert look(world)["status"] == status
    assert {one.method for one in server.asked} == {"GET"}


def test_without_a_key_in_ssm_it_is_unverified_at_once(live: World) -> None:
    live.ssm.delete_parameter(Name=ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"])
    app.__dict__.pop("providers", None)
    register(live)
    live.settle()

    seen = look(live)
    assert (seen["status"], "make provider-key" in seen["waiting_for"]) == ("unverified", True)
    assert app.models.version(live.tenant, "support", 1).created_at <= utc_now()
