"""A call for a run that is sent again gives the attempt that was given before; a new wish gives the next one."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import prepare_dataset
from tests.functions.refusals import refused
from tests.functions.runs import RUNS
from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.training.jobs import RunError
from tuneloop.domain.training.repeated_calls import retries_in
from tuneloop.domain.training.runs import RunStatus
from tuneloop.store.repositories.runs import Runs

JOBS = "/v1/fine_tuning/jobs"
RETRIED = {"x-stainless-retry-count": "1"}
ONE_KEY = {"idempotency-key": "order-1"}
BODIES: dict[str, dict[str, Any]] = {
    RUNS: {"dataset": "support"},
    JOBS: {"model": steps.BASE_MODEL, "training_file": "support"},
}
ROUTES = pytest.mark.parametrize("route", [RUNS, JOBS])
ELEVEN_MINUTES_S, ALMOST_AN_HOUR_S, AN_HOUR_S, A_DAY_S, A_MONTH_S = 660, 3590, 3610, 86_400, 31 * 86_400


@pytest.fixture
def ready(world: World) -> World:
    """A world with a dataset to train on, and a provider that nobody reaches."""
    prepare_dataset(world)
    return world


def ask(world: World, route: str, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    answer = world.call_with(headers or {}, f"POST {route}", route, BODIES[route] | fields)
    assert answer.status < 300, answer.text
    return answer


def attempt_of(world: World, answer: Answer) -> int:
    return app.runs.get(world.tenant, answer.body["id"]).attempt


def failed(world: World, answer: Answer) -> str:
    """The run of an answer, after it has failed within seconds."""
    run = app.runs.get(world.tenant, answer.body["id"])
    error = RunError(code="unknown_base_model", message="base_model: there is none.")
    app.runs.save(run.with_status(RunStatus.FAILED, error=error, finished_at=run.created_at))
    return run.id


@ROUTES
@pytest.mark.parametrize("headers", [{}, RETRIED, {"x-stainless-retry-count": "2"}], ids=str)
def test_a_call_that_is_sent_again_at_once_gives_what_failed(route: str, headers: dict[str, str], ready: World) -> None:
    first = failed(ready, ask(ready, route))

    again = ask(ready, route, headers)

    assert (again.body["id"], again.body["status"]) == (first, "failed")
    assert len(steps.runs(ready)) == 1


@ROUTES
def test_asked_for_later_it_is_the_next_attempt(route: str, ready: World, later: Later) -> None:
    first = failed(ready, ask(ready, route))
    later(ELEVEN_MINUTES_S)

    second = ask(ready, route)

    assert (second.body["id"] != first, attempt_of(ready, second)) == (True, 2)
    assert ask(ready, route).body["id"] == second.body["id"]


@ROUTES
def test_ten_minutes_are_those_since_the_first_call(route: str, ready: World, later: Later) -> None:
    first = failed(ready, ask(ready, route))
    later(ELEVEN_MINUTES_S / 2)
    assert ask(ready, route).body["id"] == first
    later(ELEVEN_MINUTES_S)

    assert attempt_of(ready, ask(ready, route)) == 2


@ROUTES
@pytest.mark.parametrize("seconds", [0, ELEVEN_MINUTES_S, ALMOST_AN_HOUR_S])
def test_an_sdk_s_retry_is_a_repeat_for_as_long_as_sdks_try(
    route: str, seconds: float, ready: World, later: Later
) -> None:
    first = failed(ready, ask(ready, route))
    later(seconds)

    assert ask(ready, route, RETRIED).body["id"] == first


@ROUTES
@pytest.mark.parametrize("seconds", [AN_HOUR_S, 7 * A_DAY_S, 29 * A_DAY_S])
def test_a_retry_of_a_call_that_never_arrived_is_no_repeat_of_an_older_one(
    route: str, seconds: float, ready: World, later: Later
) -> None:
    failed(ready, ask(ready, route))
    later(seconds)

    second = ask(ready, route, RETRIED)

    assert attempt_of(ready, second) == 2
    failed(ready, second)
    assert ask(ready, route, {"x-stainless-retry-count": "2"}).body["id"] == second.body["id"]


@ROUTES
@pytest.mark.parametrize("seconds", [0, ELEVEN_MINUTES_S, 7 * A_DAY_S])
def test_a_retry_of_a_call_that_never_arrived_trains_the_current_data(
    route: str, seconds: float, ready: World, later: Later
) -> None:
    first = failed(ready, ask(ready, route))
    later(seconds)
    steps.settled(ready, steps.questions(60))

    second = ask(ready, route, RETRIED).body["id"]

    assert second != first
    run = app.runs.get(ready.tenant, second)
    assert (run.revision, run.attempt) == (app.datasets.get(ready.tenant, "support").revision, 1)
    assert ask(ready, route, RETRIED).body["id"] == second


def test_a_retry_of_a_job_trains_beside_the_validation_file_that_there_is(ready: World) -> None:
    ready.call("POST /v1/datasets", "/v1/datasets", {"id": "checks", "on_drop": "collect"})
    steps.settled(ready, steps.questions(20), "checks")
    first = failed(ready, ask(ready, JOBS, validation_file="checks"))
    assert ask(ready, JOBS, RETRIED, validation_file="checks").body["id"] == first
    steps.settled(ready, steps.questions(30), "checks")

    assert ask(ready, JOBS, RETRIED, validation_file="checks").body["id"] != first


def test_a_retry_that_names_its_revision_is_a_repeat_whatever_came_since(ready: World) -> None:
    first = failed(ready, ask(ready, RUNS, revision=1))
    steps.settled(ready, steps.questions(60))

    assert ask(ready, RUNS, RETRIED, revision=1).body["id"] == first


@ROUTES
@pytest.mark.parametrize("count", ["0", "", "one", "-1", "1e3", "٣", "9" * 40])
def test_a_count_that_says_nothing_makes_no_repeat(route: str, count: str, ready: World, later: Later) -> None:
    failed(ready, ask(ready, route))
    later(ELEVEN_MINUTES_S)

    assert attempt_of(ready, ask(ready, route, {"x-stainless-retry-count": count})) == 2
    assert retries_in(count) == 0


@ROUTES
@pytest.mark.parametrize("seconds", [0, ELEVEN_MINUTES_S, A_DAY_S])
def test_an_equal_idempotency_key_gives_the_same_attempt(
    route: str, seconds: float, ready: World, later: Later
) -> None:
    first = failed(ready, ask(ready, route, ONE_KEY))
    later(seconds)

    assert ask(ready, route, ONE_KEY).body["id"] == first
    assert len(steps.runs(ready)) == 1


@ROUTES
def test_another_idempotency_key_is_a_new_wish_at_once(route: str, ready: World) -> None:
    first = failed(ready, ask(ready, route, ONE_KEY))

    second = ask(ready, route, {"idempotency-key": "order-2"})

    assert (second.body["id"] != first, attempt_of(ready, second)) == (True, 2)


@ROUTES
def test_an_idempotency_key_is_forgotten_after_a_month(route: str, ready: World, later: Later) -> None:
    failed(ready, ask(ready, route, ONE_KEY))
    later(A_MONTH_S)

    assert attempt_of(ready, ask(ready, route, ONE_KEY)) == 2


@ROUTES
def test_an_idempotency_key_that_came_with_another_request_is_refused(route: str, ready: World) -> None:
    ask(ready, route, ONE_KEY)
    other = JOBS if route == RUNS else RUNS
    changed = {"hyperparameters": {"n_epochs": 2}}

    for path, body in ((route, BODIES[route] | changed), (other, BODIES[other])):
        answer = ready.call_with(ONE_KEY, f"POST {path}", path, body)
        refused(answer, 422, "idempotency_key_reused", "idempotency-key")

    assert len(steps.runs(ready)) == 1


@ROUTES
@pytest.mark.parametrize("key", ["", "k" * 256, "naïve", "tab\there", "\x00"], ids=repr)
def test_an_idempotency_key_that_cannot_be_one_is_refused_by_name(route: str, key: str, ready: World) -> None:
    answer = ready.call_with({"idempotency-key": key}, f"POST {route}", route, BODIES[route])

    refused(answer, 422, param="idempotency-key")
    assert steps.runs(ready) == []


@ROUTES
def test_what_a_key_was_given_stays_though_the_data_has_moved_on(route: str, ready: World) -> None:
    first, retried = ask(ready, route, ONE_KEY).body["id"], ask(ready, route).body["id"]
    steps.settled(ready, steps.questions(60))

    assert ask(ready, route, ONE_KEY).body["id"] == first
    assert ask(ready, route, RETRIED).body["id"] != retried  # without a key a dataset is trained on as it is now
    assert ask(ready, route).body["id"] != first


@ROUTES
def test_another_body_or_another_api_key_is_a_new_wish(route: str, ready: World) -> None:
    first = failed(ready, ask(ready, route))
    other = {"revision": 1} if route == RUNS else {"metadata": {"why": "again"}}
    second = failed(ready, ask(ready, route, **other))
    mine, ready.key = ready.key, ready.new_key(*Scope)

    third = ask(ready, route)

    assert len({first, second, third.body["id"]}) == 3
    ready.key = mine
    assert ask(ready, route).body["id"] == third.body["id"]


@ROUTES
def test_an_open_run_that_a_call_was_given_is_what_its_repeat_is_given(route: str, ready: World) -> None:
    by_other_words = {"revision": 1} if route == RUNS else {"metadata": {"why": "first"}}
    first = ask(ready, route, **by_other_words)
    assert ask(ready, route).body["id"] == first.body["id"]
    failed(ready, first)

    assert ask(ready, route).body["id"] == first.body["id"]
    assert len(steps.runs(ready)) == 1


@ROUTES
def test_of_two_at_once_one_makes_the_attempt_and_both_are_given_it(
    route: str, ready: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(ready, ask(ready, route))
    later(ELEVEN_MINUTES_S)
    find_answer, inner = Runs.find_answer, list[Answer]()

    def overtaken(runs: Runs, tenant: str, call: str) -> Any:
        before = find_answer(runs, tenant, call)
        if not inner:
            monkeypatch.setattr(Runs, "find_answer", find_answer)
            inner.append(ask(ready, route))
        return before

    monkeypatch.setattr(Runs, "find_answer", overtaken)

    outer = ask(ready, route)

    assert outer.body["id"] == inner[0].body["id"]
    assert len(steps.runs(ready)) == 2


@ROUTES
def test_a_call_that_died_unanswered_leaves_its_attempt_to_its_repeat(
    route: str, ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Runs.save

    def dies(runs: Runs, *words: Any, **more: Any) -> Any:
        save(runs, *words, **more)
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "save", dies)
        assert ready.call(f"POST {route}", route, BODIES[route]).status == 500
    [made] = steps.runs(ready)
    run = app.runs.get(ready.tenant, made["id"])
    app.runs.save(run.with_status(RunStatus.FAILED, finished_at=run.created_at))

    assert ask(ready, route, RETRIED).body["id"] == made["id"]


def test_a_young_attempt_is_given_to_an_sdk_s_retry_of_an_unknown_call(ready: World, later: Later) -> None:
    first = failed(ready, ask(ready, RUNS, revision=1))

    assert ask(ready, RUNS, RETRIED).body["id"] == first
    later(3 * 3600)
    other = ready.call_with(RETRIED, f"POST {JOBS}", JOBS, BODIES[JOBS])
    assert attempt_of(ready, other) == 2


def test_a_retry_gives_the_next_attempt_and_its_own_repeat_the_same(ready: World, later: Later) -> None:
    first = failed(ready, ask(ready, RUNS))
    route, path = f"POST {RUNS}/{{run}}/retry", f"{RUNS}/{first}/retry"

    second = ready.call_with(ONE_KEY, route, path)
    failed(ready, second)

    assert attempt_of(ready, second) == 2
    assert ready.call_with(ONE_KEY, route, path).body["id"] == second.body["id"]
    third = ready.call(route, path)
    failed(ready, third)
    assert attempt_of(ready, third) == 3
    assert ready.call_with(RETRIED, route, path).body["id"] == third.body["id"]
    fourth = ready.call(route, path)
    failed(ready, fourth)
    later(AN_HOUR_S)
    assert attempt_of(ready, fourth) == 4
    assert attempt_of(ready, ready.call_with(RETRIED, route, path)) == 5


def test_a_call_that_always_loses_its_race_says_so(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: Any, **__: Any) -> None:
        raise Stale("The row was written in between.")

    monkeypatch.setattr(Runs, "save", stale)

    refused(ready.call(f"POST {RUNS}", RUNS, BODIES[RUNS]), 409, "stale")
