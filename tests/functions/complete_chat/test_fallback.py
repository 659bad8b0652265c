"""Who answers when the version of a call can't: stable, then what served before it, then the base model, in time."""

from typing import Any

import pytest

from complete_chat import complete as use_case
from complete_chat import routes
from tests.functions import steps
from tests.functions.conftest import MetricSums, counted
from tests.functions.providers import ProviderProxy
from tests.world import World
from tuneloop.api.router import ANSWER_WITHIN_S
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable, TuneloopError
from tuneloop.domain.serving.models import VersionStatus

__all__ = ["counted"]
REFUSED = ProviderRefused("The provider refused the call: 404 model_not_found.")
AWAY = ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")


class FailingModels(ProviderProxy):
    """Fails on some models; remembers which were asked, and with how much time."""

    def __init__(self, *models: str, by: TuneloopError = REFUSED) -> None:
        super().__init__()
        self.models, self.by = set(models), by
        self.asked, self.times = list[str](), list[float]()

    def complete(self, request: dict[str, Any], timeout_s: float) -> Any:
        self.asked.append(request["model"])
        self.times.append(timeout_s)
        if request["model"] in self.models:
            raise self.by
        return self.real.complete(request | {"model": steps.BASE_MODEL}, timeout_s)


def served(world: World, *numbers: int) -> None:
    """Register as many versions as the highest number says, and let those numbers serve one after the other."""
    for number in range(1, max(numbers) + 1):
        steps.registered(world, provider_model=f"m{number}")
    for number in numbers:
        assert steps.decide(world, "activate", {"version": number}).status == 200


def order(world: World) -> list[int]:
    """The versions that a call is tried on, as the route's own route says it."""
    route = world.call("GET /v1/models/{model}/route", "/v1/models/support/route", user="user-1")
    found: list[int] = route.body["versions"]
    return found


def test_what_served_before_answers_before_the_base_does(live: World) -> None:
    served(live, 1, 2)
    provider = FailingModels("m2")

    answer = steps.ask(live, user="user-1").body["tuneloop"]

    assert (answer["version"], answer["fallback"], provider.asked) == (1, True, ["m2", "m1"])
    assert order(live) == [2, 1, 0]


def test_a_candidate_has_three_behind_it(live: World) -> None:
    served(live, 1, 2)
    steps.registered(live, provider_model="m3")
    steps.share(live, 3, 1.0)
    provider = FailingModels("m3", "m2", "m1")

    assert steps.ask(live, user="user-1").body["tuneloop"]["version"] == 0
    assert provider.asked == ["m3", "m2", "m1", steps.BASE_MODEL]
    assert order(live) == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("how", "versions"),
    [
        (["rollback"], [1, 0]),
        (["deactivate"], [0]),
        (["deactivate", ("activate", {"version": 2})], [2, 0]),
        (["deactivate", ("activate", {"version": 1})], [1, 0]),
        ([("activate", {"version": 0})], [0]),
        (["rollback", "rollback"], [1, 0]),
        (["rollback", ("activate", {"version": 2})], [2, 1, 0]),
        ([("activate", {"version": 1})], [1, 2, 0]),
    ],
    ids=str,
)
def test_what_a_person_took_off_answers_nobody(how: list[Any], versions: list[int], live: World) -> None:
    served(live, 1, 2)

    for step in how:
        name, body = (step, None) if isinstance(step, str) else step
        steps.decide(live, name, body or {})

    assert order(live) == versions


def test_a_version_that_was_retired_behind_our_back_is_not_asked(live: World) -> None:
    served(live, 1, 2)
    before = app.models.version(live.tenant, "support", 1)
    app.models.save_version(before.model_copy(update={"status": VersionStatus.RETIRED}))
    provider = FailingModels("m2")

    assert steps.ask(live, user="user-1").body["tuneloop"]["version"] == 0
    assert provider.asked == ["m2", steps.BASE_MODEL]


def test_the_time_of_the_others_is_what_it_was_before(live: World) -> None:
    served(live, 1, 2)
    provider = FailingModels("m2", "m1", steps.BASE_MODEL)

    steps.ask(live, user="user-1")

    given, reserved = ANSWER_WITHIN_S - routes.USAGE_MARGIN_S, use_case.FALLBACK_S
    assert provider.times == pytest.approx([given - reserved, given - reserved, given], abs=0.5)


def test_where_the_first_used_up_its_time_the_base_has_the_reserve(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(live, 1, 2)
    monkeypatch.setattr(routes, "USAGE_MARGIN_S", ANSWER_WITHIN_S - use_case.FALLBACK_S - 1)
    provider = FailingModels("m2", by=AWAY)

    assert steps.ask(live, user="user-1").body["tuneloop"]["version"] == 0
    assert provider.asked == ["m2", steps.BASE_MODEL]


def test_a_version_that_its_provider_refuses_counts_for_the_outage_alarm(live: World, counted: MetricSums) -> None:
    served(live, 1, 2)
    counted()
    FailingModels("m2", "m1")

    steps.ask(live, user="user-1")

    assert counted()["ProviderUnavailable"] == 2


def test_a_call_that_every_version_refuses_is_the_call_s_own_fault(live: World, counted: MetricSums) -> None:
    served(live, 1, 2)
    counted()
    FailingModels("m2", "m1", steps.BASE_MODEL)

    assert steps.ask(live, user="user-1").status == 400

    assert "ProviderUnavailable" not in counted()


def test_a_provider_outage_is_counted_where_it_is_called_and_not_twice(live: World, counted: MetricSums) -> None:
    served(live, 1, 2)
    counted()
    FailingModels("m2", by=AWAY)

    steps.ask(live, user="user-1")

    assert "ProviderUnavailable" not in counted()


def test_a_version_that_a_call_names_has_nobody_behind_it(live: World) -> None:
    served(live, 1, 2)
    provider = FailingModels("m2")

    assert steps.ask(live, model="support:2").status == 400
    assert provider.asked == ["m2"]
