"""A base model that nobody has is refused at once, by the provider's list of the last minutes and no other call."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import prepare_dataset
from tests.functions.providers import CallCounter, ProviderProxy
from tests.functions.refusals import refused
from tests.functions.runs import RUNS, request_run
from tests.world import ENVIRONMENT, Answer, World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.jobs import RunError
from tuneloop.domain.training.runs import RunStatus
from tuneloop.providers.port import KEY_MISSING, KEY_REFUSED, ListedModel

JOBS = "/v1/fine_tuning/jobs"
MISTYPED = "tuneloop-linaer-1"


def as_a_run(world: World, base_model: str) -> Answer:
    return request_run(world, base_model=base_model)


def as_a_dry_run(world: World, base_model: str) -> Answer:
    return request_run(world, base_model=base_model, dry_run=True)


def as_a_job(world: World, base_model: str) -> Answer:
    return world.call(f"POST {JOBS}", JOBS, {"model": base_model, "training_file": "support", "suffix": "new"})


def as_a_retry(world: World, base_model: str) -> Answer:
    """The retry of a run that was asked for before anybody looked, and has failed."""
    run = app.runs.get(world.tenant, request_run(world, hyperparameters={"n_epochs": 2}).body["id"])
    error = RunError(code="unknown_base_model", message="base_model: there is none.")
    of_before = run.model_copy(update={"base_model": base_model})
    app.runs.save(of_before.with_status(RunStatus.FAILED, error=error, finished_at=run.created_at))
    return world.call(f"POST {RUNS}/{{run}}/retry", f"{RUNS}/{run.id}/retry")


Route = Callable[[World, str], Answer]
ROUTES: dict[Route, str] = {
    as_a_run: "base_model",
    as_a_dry_run: "base_model",
    as_a_job: "model",
    as_a_retry: "base_model",
}
BY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)


class ModelListing(ProviderProxy):
    """Lists what it is told to list, or fails at it; remembers how long it was given."""

    def __init__(self, said: list[str] | Exception) -> None:
        super().__init__()
        self.said, self.given = said, list[float]()

    def models(self, timeout_s: float) -> Iterator[ListedModel]:
        self.given.append(timeout_s)
        if isinstance(self.said, Exception):
            raise self.said
        return iter([ListedModel(id=name) for name in self.said])


@BY_ROUTE
@pytest.mark.parametrize("name", [MISTYPED, "TUNELOOP-LINEAR-1", "tuneloop-linear-1 ", "gpt-4o", "*", "org/model:free"])
def test_what_the_list_lacks_is_refused_and_makes_nothing(route: Route, name: str, live: World) -> None:
    prepare_dataset(live)
    answer = route(live, name)

    refused(answer, 422, "unknown_base_model", ROUTES[route])
    message = answer.body["error"]["message"]
    assert message.startswith(f"{ROUTES[route]}: trainer has no base model ")
    assert steps.BASE_MODEL in message
    assert (name in message) == (" " not in name and name != "*")
    assert [run for run in steps.runs(live) if run["status"] != "failed"] == []
    assert app.models.find(live.tenant, "new") is None


@BY_ROUTE
def test_what_is_listed_is_taken(route: Route, live: World) -> None:
    prepare_dataset(live)

    assert route(live, steps.BASE_MODEL).status < 300


@BY_ROUTE
@pytest.mark.parametrize(
    "said",
    [
        [],
        ProviderRefused("The provider refused the call: 404."),
        ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later."),
        ProviderUnavailable("The provider gave an answer that makes no sense.", code="provider_nonsense"),
    ],
    ids=repr,
)
def test_a_provider_that_cannot_be_asked_is_asked_at_submitting(
    route: Route, said: list[str] | Exception, live: World
) -> None:
    prepare_dataset(live)
    provider = ModelListing(said)

    assert route(live, "who-knows").status < 300
    assert provider.given
    assert set(provider.given) == {3.0}


def test_ten_minutes_of_calls_are_one_list_and_never_a_chat(live: World, later: Later) -> None:
    prepare_dataset(live)
    counting = CallCounter()

    for route in ROUTES:
        route(live, steps.BASE_MODEL)
    asked = dict(counting.asked)
    later(599)
    request_run(live)
    before = counting.asked["models"]
    later(601)
    request_run(live)

    assert (asked["models"], before, counting.asked["models"]) == (1, 1, 2)
    assert not {"complete", "stream", "create_job", "upload"} & counting.asked.keys()


def test_a_model_that_was_added_since_is_found_after_seconds(live: World, later: Later) -> None:
    prepare_dataset(live)
    provider = ModelListing([steps.BASE_MODEL])
    for _ in range(3):
        assert request_run(live, base_model="new").status == 422
    provider.said = [steps.BASE_MODEL, "new"]
    later(16)

    assert request_run(live, base_model="new").status == 202
    assert len(provider.given) == 2


def test_a_provider_that_hangs_is_waited_for_once_in_half_a_minute(live: World, later: Later) -> None:
    prepare_dataset(live)
    provider = ModelListing(ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later."))

    for _ in range(3):
        request_run(live)
    later(31)
    request_run(live)

    assert len(provider.given) == 2


@pytest.mark.parametrize("code", [KEY_MISSING, KEY_REFUSED])
def test_without_a_key_a_dry_run_is_refused_and_a_run_waits_for_it(code: str, live: World) -> None:
    prepare_dataset(live)
    ModelListing(ProviderUnavailable("The provider's key is not in SSM: `make provider-key` stores it.", code=code))

    refused(as_a_dry_run(live, steps.BASE_MODEL), 503, code)
    assert as_a_run(live, steps.BASE_MODEL).status == 202


def test_the_key_that_is_really_missing_is_named(live: World) -> None:
    prepare_dataset(live)
    live.ssm.delete_parameter(Name=ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"])

    refused(as_a_dry_run(live, steps.BASE_MODEL), 503, KEY_MISSING)


def test_what_another_tenant_trained_is_not_among_the_names(live: World) -> None:
    prepare_dataset(live)
    ModelListing([steps.BASE_MODEL, "ft:tuneloop-linear-1:initech:secret-plans:abc"])

    answer = request_run(live, base_model="tuneloop-linear-2")

    assert "secret-plans" not in answer.text
    assert request_run(live, base_model="ft:tuneloop-linear-1:initech:secret-plans:abc").status == 202


def test_of_hundreds_the_likest_come_first(live: World) -> None:
    prepare_dataset(live)
    ModelListing([f"a-model-{number}" for number in range(300)] + ["zephyr-7b"])

    message = request_run(live, base_model="zephyr-7").body["error"]["message"]

    assert "it has zephyr-7b, " in message
    assert message.endswith(" more.")


def test_a_retry_at_a_provider_that_was_removed_is_refused(live: World) -> None:
    prepare_dataset(live)
    run: dict[str, Any] = request_run(live).body
    gone = app.runs.get(live.tenant, run["id"]).model_copy(update={"provider": "gone"})
    app.runs.save(gone.with_status(RunStatus.FAILED, finished_at=gone.created_at))

    refused(live.call(f"POST {RUNS}/{{run}}/retry", f"{RUNS}/{run['id']}/retry"), 409, "unknown_provider", "provider")
