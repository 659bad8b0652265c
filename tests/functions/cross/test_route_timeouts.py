"""Every route of the OpenAPI document while the provider or AWS hangs: each ends in time and says so."""

from collections.abc import Iterator
from time import monotonic

import pytest

from check_status import openai_jobs_routes, refresh
from check_status import routes as check_status
from complete_chat import routes as complete_chat
from launch_finetune import cancel
from tests.functions import steps
from tests.functions.conftest import reach
from tests.functions.openapi_document import OPERATIONS
from tests.functions.providers import stage_provider
from tests.functions.refusals import refused
from tests.unit.hanging_server import Hanging
from tests.unit.providers.server import Play, Server
from tests.world import World, making_clients
from tuneloop import app as composition
from tuneloop.api import router
from tuneloop.api.router import ANSWER_WITHIN_S
from tuneloop.app import App, Timeouts, app, utc_now
from tuneloop.domain.training.runs import ControlledRun, RunStatus

PATIENCE_S = 0.3
LONGEST_S = cancel.ASKING_S
IN_TIME_S = 20.0  # generous, for the machine; a call without an end would take minutes
UPLOAD = "POST /v1/datasets/{dataset}/uploads"  # signs a form, and asks nobody
IDS = {
    "dataset": "support",
    "model": "support",
    "run": "run-1",
    "job": "run-1",
    "file": "file-1",
    "number": "1",
    "export": "export-1",
    "evaluation": "eval-1",
    "erasure": "erasure-1",
    "example": "0" * 64,
    "drop": "drop-1",
}


@pytest.fixture
def dripping() -> Iterator[Server]:
    """A provider that sends the head of its answer byte by byte, for ever as far as a call is concerned."""
    with Server().running() as server:
        server.plays_next(Play(b"{}", drips="head", headers=tuple(f"X-{n}: {'x' * 100}" for n in range(200))))
        yield server


def at_provider(world: World) -> None:
    """A model, and a run that the provider is asked about."""
    steps.registered(world)
    run = ControlledRun(
        id="run-1",
        tenant=world.tenant,
        provider="trainer",
        provider_job_id="ftjob-1",
        model="support",
        base_model=steps.BASE_MODEL,
        dataset="support",
        export="export-1",
        revision=1,
        status=RunStatus.RUNNING,
        created_at=utc_now(),
    )
    app.runs.save(run)


def test_no_route_waits_longer_for_a_provider_than_it_has(
    world: World, dripping: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_provider(world)
    reach(world, dripping.url, monkeypatch)
    stage_provider().prepare()  # importing it takes longer than all the rest
    monkeypatch.setattr(complete_chat, "USAGE_MARGIN_S", ANSWER_WITHIN_S - PATIENCE_S)
    for asks in (check_status, openai_jobs_routes, cancel):
        monkeypatch.setattr(asks, "ASKING_S", PATIENCE_S)
    asking = set()

    for operation in OPERATIONS:
        dripping.asked.clear()
        started = monotonic()
        answer = operation.send(world, IDS)
        assert monotonic() - started < IN_TIME_S, operation.route
        assert answer.status < 500 or refused(answer, 503)
        if dripping.asked:
            asking.add(operation.route)

    assert asking == {
        "POST /v1/chat/completions",
        "GET /v1/training-runs/{run}",
        "GET /v1/training-runs/{run}/events",
        "POST /v1/training-runs/{run}/cancel",
        "GET /v1/fine_tuning/jobs/{job}",
        "GET /v1/fine_tuning/jobs/{job}/events",
        "GET /v1/fine_tuning/jobs/{job}/checkpoints",
        "POST /v1/fine_tuning/jobs/{job}/cancel",
    }
    assert max(refresh.ASKING_S, LONGEST_S) < ANSWER_WITHIN_S / 2


@pytest.fixture
def hanging(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """A table that takes calls and never answers, once every function knows the world's key."""
    for operation in OPERATIONS:
        operation.send(world, IDS)
    server = Hanging()
    monkeypatch.setitem(composition.TIMEOUTS, "dynamodb", Timeouts(0.05, 0.05))
    monkeypatch.setattr(composition, "ATTEMPTS", 1)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setattr(App, "client", making_clients)
        client = app.client("dynamodb")
    monkeypatch.setattr(app.table, "client", client)
    yield server
    client.close()
    server.close()


@pytest.mark.parametrize("answer_within_s", [ANSWER_WITHIN_S, 0.01])
def test_no_route_waits_longer_for_aws_than_it_has(
    answer_within_s: float, world: World, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "ANSWER_WITHIN_S", answer_within_s)
    late = set()

    for operation in OPERATIONS:
        started = monotonic()
        answer = operation.send(world, IDS)
        assert monotonic() - started < IN_TIME_S, operation.route
        if answer.status >= 500:
            refused(answer, 503, "timeout")
            late.add(operation.route)

    assert late >= {operation.route for operation in OPERATIONS if operation.names} - {UPLOAD}
    assert bool(hanging.connections) == (answer_within_s == ANSWER_WITHIN_S)


def test_a_key_that_cannot_be_looked_up_lets_nobody_in(world: World, hanging: Hanging) -> None:
    for operation in OPERATIONS:
        refused(operation.send(world, IDS, "tl_somebody-s"), 503, "key_not_checked")

    assert len(hanging.connections) == len(OPERATIONS)
