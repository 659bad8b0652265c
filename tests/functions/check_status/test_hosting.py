"""Versions at a provider that has to be asked to serve them: deployed, awaited, handed on, retired, dying between."""

from collections import Counter
from itertools import count
from typing import Any

import pytest

from check_status import deployments
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import Killed, ProviderProxy
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.port import QUOTA_REACHED, ProviderDeployment

A_DAY_S = 86_400


class HostingProvider(ProviderProxy):
    """The real provider, as one that serves a trained model only while a deployment names it."""

    def __init__(self, quota: int = 9) -> None:
        super().__init__()
        self.hosting = self
        self.quota = quota
        self.deployments: dict[str, ProviderDeployment] = {}
        self.names: dict[str, str] = {}
        self.deleted: list[str] = []
        self.settled = VersionStatus.READY
        self.numbers = count(1)
        self.dies_after: str | None = None

    def capabilities(self, base_model: str) -> Capabilities:
        can: Capabilities = self.real.capabilities(base_model)
        return can.model_copy(update={"needs_deployment": True})

    def deploy(self, name: str, model: str) -> ProviderDeployment:
        if name not in self.names:
            if len(self.deployments) >= self.quota:
                raise ProviderRefused("The account has reached a quota.", code=QUOTA_REACHED)
            self.names[name] = f"deployment-{next(self.numbers)}"
            self._put(self.names[name], model)
        self._dies("deploy")
        return self.deployments[self.names[name]]

    def find_deployment(self, deployment: str) -> ProviderDeployment | None:
        found = self.deployments.get(self.names.get(deployment, deployment))
        if found:
            self.deployments[found.id] = found.model_copy(update={"status": self.settled})
        return found

    def swap(self, deployment: str, model: str) -> ProviderDeployment:
        self._put(deployment, model)
        self._dies("swap")
        return self.deployments[deployment]

    def undeploy(self, deployment: str) -> None:
        del self.deployments[deployment]
        self.names = {name: made for name, made in self.names.items() if made != deployment}
        self._dies("undeploy")

    def delete_model(self, model: str) -> None:
        if any(one.model == model for one in self.deployments.values()):
            raise ProviderUnavailable("A deployment serves this model.")
        self.deleted.append(model)
        self._dies("delete_model")

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        asked = request["model"]
        model = self.deployments[asked].model if asked in self.deployments else asked
        if model and model.startswith("ft:") and asked == model:
            raise ProviderRefused("This model has to be deployed first.")
        answer: ChatCompletion = self.real.complete({**request, "model": model}, timeout_s=timeout_s)
        return answer

    def _put(self, deployment: str, model: str) -> None:
        self.deployments[deployment] = ProviderDeployment(id=deployment, status=VersionStatus.DEPLOYING, model=model)

    def _dies(self, after: str) -> None:
        if self.dies_after == after:
            self.dies_after = None
            raise Killed


def trained(world: World, number: int = 1) -> Version:
    """The version that a run on ever more questions has made, as it was stored with the run's end."""
    steps.settled(world, steps.questions(40 * number))
    run = steps.runs(world)[0]["id"]
    steps.until(lambda: steps.look(world, run)["status"] in steps.ENDED)
    return version(world, number)


def version(world: World, number: int) -> Version:
    return app.models.version(world.tenant, "support", number)


def swept(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.schedule("check-status")
    world.settle()


def trained_and_swept(world: World, number: int) -> None:
    trained(world, number)
    swept(world)


def retire(world: World, number: int) -> Any:
    return world.call("DELETE /v1/models/{model}/versions/{number}", f"/v1/models/support/versions/{number}")


def redeploy(world: World, number: int) -> Any:
    path = f"/v1/models/support/versions/{number}/deploy"
    return world.call("POST /v1/models/{model}/versions/{number}/deploy", path)


def listed(world: World) -> dict[int, dict[str, Any]]:
    rows = world.call("GET /v1/models/{model}/versions", "/v1/models/support/versions").body["data"]
    return {row["number"]: row for row in rows}


def test_a_version_is_announced_once_callable_and_called_by_its_deployment(live: World) -> None:
    provider = HostingProvider()

    first = trained(live)
    live.settle()
    before = live.delivered.count("VersionReady")
    swept(live)

    assert first.status == VersionStatus.DEPLOYING
    assert before == 0
    assert live.delivered.count("VersionReady") == 1
    now = version(live, 1)
    assert (now.status, now.deployment, now.waiting_for) == (VersionStatus.READY, "deployment-1", None)
    assert not list(app.models.open_versions())
    assert provider.deployments["deployment-1"].model == now.provider_model
    steps.decide(live, "activate", {"version": 1})
    answer = steps.ask(live)
    assert answer.body["tuneloop"] == {"version": 1, "is_finetuned": True, "arm": "stable", "fallback": False}


def test_looking_at_its_run_takes_a_version_a_step_further_too(live: World) -> None:
    HostingProvider()
    run = trained(live).run
    assert run

    for _ in range(3):
        steps.look(live, run)

    assert version(live, 1).status == VersionStatus.READY


def test_a_version_that_is_not_ready_cannot_be_activated(live: World) -> None:
    HostingProvider().settled = VersionStatus.DEPLOYING
    trained(live)

    refused = steps.decide(live, "activate", {"version": 1})
    swept(live)

    assert refused.status == 409
    assert "deploying" in refused.body["error"]["message"]
    assert "deployment" in (listed(live)[1]["waiting_for"] or "")


def test_a_deployment_that_fails_says_so_and_serves_nobody(live: World) -> None:
    HostingProvider().settled = VersionStatus.DEPLOY_FAILED
    trained(live)

    swept(live)

    row = listed(live)[1]
    assert (row["status"], row["error"]["code"]) == ("deploy_failed", "deployment_failed")
    assert "VersionReady" not in live.delivered
    assert retire(live, 1).status == 200


def test_a_deployment_that_failed_is_asked_for_once_more_and_serves(live: World) -> None:
    provider = HostingProvider()
    provider.settled = VersionStatus.DEPLOY_FAILED
    trained(live)
    swept(live)

    refused = steps.decide(live, "activate", {"version": 1})
    provider.dies_after = "undeploy"
    asked = [redeploy(live, 1) for _ in range(2)]

    assert "versions/1/deploy" in refused.body["error"]["message"]
    assert [(answer.status, answer.body["status"]) for answer in asked] == [(200, "deploying")] * 2

    with pytest.raises(Killed):
        swept(live, 1)
    provider.settled = VersionStatus.READY
    swept(live, 4)

    row = listed(live)[1]
    assert (row["status"], row["error"], row["deployment"]) == ("ready", None, "deployment-2")
    assert list(provider.deployments) == ["deployment-2"]
    assert live.delivered.count("VersionReady") == 1
    assert redeploy(live, 1).status == 409


def test_a_deployment_whose_creator_died_is_found_by_the_next_sweep(live: World) -> None:
    provider = HostingProvider()
    provider.dies_after = "deploy"

    with pytest.raises(Killed):
        trained(live)
    swept(live)

    assert list(provider.deployments) == ["deployment-1"]
    assert version(live, 1).status == VersionStatus.READY
    assert live.delivered.count("VersionReady") == 1


def test_a_deployment_handover_that_died_is_finished_by_the_next_sweep(live: World) -> None:
    provider = HostingProvider(quota=1)
    trained(live)
    swept(live)
    provider.dies_after = "swap"

    with pytest.raises(Killed):
        trained_and_swept(live, 2)
    swept(live, 6)

    old, new = version(live, 1), version(live, 2)
    assert (old.status, new.status) == (VersionStatus.RETIRED, VersionStatus.READY)
    assert provider.deployments["deployment-1"].model == new.provider_model
    assert provider.deleted == [old.provider_model]


def test_at_the_quota_the_oldest_unneeded_version_hands_on_its_deployment(live: World) -> None:
    provider = HostingProvider(quota=2)
    for number in (1, 2):
        trained(live, number)
        swept(live)
    steps.decide(live, "activate", {"version": 2})
    before = version(live, 1)

    trained(live, 3)
    swept(live, 6)

    old, new = version(live, 1), version(live, 3)
    assert (old.status, old.deployment) == (VersionStatus.RETIRED, None)
    assert (new.status, new.deployment) == (VersionStatus.READY, before.deployment)
    assert provider.deployments[str(new.deployment)].model == new.provider_model
    assert provider.deleted == [before.provider_model]
    assert old.removed_at
    assert version(live, 2).status == VersionStatus.READY


def test_where_each_is_in_use_the_version_waits_and_says_for_what(live: World) -> None:
    HostingProvider(quota=1)
    trained(live)
    swept(live)
    steps.decide(live, "activate", {"version": 1})

    trained(live, 2)
    swept(live)

    row = listed(live)[2]
    assert row["status"] == "deploying"
    assert row["waiting_for"].startswith("A deployment: the provider gives this account no more")
    assert version(live, 1).status == VersionStatus.READY


def test_a_version_that_is_not_served_within_a_day_is_counted_as_overdue(
    live: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    HostingProvider().settled = VersionStatus.DEPLOYING
    trained(live)
    counted: Counter[str] = Counter()
    monkeypatch.setattr(deployments, "count", lambda name, number=1: counted.update({name: number}))

    for seconds in (A_DAY_S - 600, A_DAY_S + 600):
        later(seconds)
        live.schedule("check-status")

    assert counted["RunsOverdue"] == 1


def test_a_retired_version_leaves_its_provider_and_is_never_called_again(live: World) -> None:
    provider = HostingProvider()
    model = trained(live).provider_model
    swept(live)
    steps.decide(live, "deactivate")

    answers = [retire(live, 1) for _ in range(2)]
    swept(live)
    again = retire(live, 1)

    assert [answer.status for answer in answers] == [200, 200]
    assert (answers[0].body["status"], answers[0].body["removed_at"]) == ("retired", None)
    assert again.body["removed_at"]
    assert provider.deployments == {}
    assert provider.deleted == [model]
    assert steps.decide(live, "activate", {"version": 1}).status == 409
    assert not list(app.models.open_versions())


@pytest.mark.parametrize("died", ["undeploy", "delete_model"])
def test_removing_goes_on_where_somebody_died(live: World, died: str) -> None:
    provider = HostingProvider()
    trained(live)
    swept(live)
    steps.decide(live, "deactivate")
    retire(live, 1)
    provider.dies_after = died

    with pytest.raises(Killed):
        live.schedule("check-status")
    swept(live)

    assert provider.deployments == {}
    assert set(provider.deleted) == {version(live, 1).provider_model}
    assert version(live, 1).removed_at


def test_what_serves_or_could_be_rolled_back_to_and_the_base_are_kept(live: World) -> None:
    for _ in range(3):
        steps.registered(live)
    steps.decide(live, "activate", {"version": 1})
    steps.decide(live, "activate", {"version": 2})
    steps.share(live, 3, 0.2)

    refused = [retire(live, number) for number in range(4)]

    assert {answer.status for answer in refused} == {409}
    assert {answer.body["error"]["code"] for answer in refused} == {"version_in_use"}
    words = ["base model", "rollback", "stable", "candidate"]
    assert all(word in answer.body["error"]["message"] for word, answer in zip(words, refused, strict=True))


def test_a_version_whose_provider_serves_at_once_is_gone_at_once(live: World) -> None:
    steps.registered(live)

    answer = retire(live, 1)

    assert answer.body["status"] == "retired"
    assert answer.body["removed_at"]
    assert retire(live, 7).status == 404


def test_a_list_says_what_keeping_a_model_costs(live: World) -> None:
    steps.registered(live, provider_model="ft:tuneloop-linear-1:x:y:z")
    steps.registered(live, provider_model="ft:unknown-base:x:y:z")
    live.call("POST /v1/models", "/v1/models", {"id": "support"})

    costs = {number: row["storage_per_month_usd"] for number, row in listed(live).items()}

    assert costs == {0: 0.0, 1: 0.0, 2: 0.0}
