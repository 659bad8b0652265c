"""complete-chat when versions, the provider or the usage queue fail: an answer if one can be had, every try counted."""

import json
from collections.abc import Iterator
from io import StringIO
from time import monotonic
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from complete_chat import complete as use_case
from complete_chat import routes
from tests.functions import steps
from tests.functions.conftest import reach
from tests.functions.providers import ProviderProxy, stage_provider
from tests.unit.providers.server import Play, Server
from tests.world import World
from tuneloop.api.router import ANSWER_WITHIN_S
from tuneloop.app import app
from tuneloop.domain.core.errors import OutOfTime, ProviderUnavailable
from tuneloop.observability import kind_of

SAID = "the purple heron dances at noon"
GONE = "ft:tuneloop-linear-1:local:gone:00000000"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server().running() as played:
        yield played


def three_versions(world: World, **fields: Any) -> None:
    """A candidate for everyone, a stable version, and the base model behind them."""
    for _ in range(2):
        steps.registered(world, **fields)
    steps.decide(world, "activate", {"version": 1})
    steps.share(world, 2, 1.0)


def counted(world: World) -> list[tuple[int, ...]]:
    names = ("version", "calls", "failed", "fallbacks", "unpriced_calls")
    return [tuple(row[name] for name in names) for row in steps.usage(world)]


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": SAID}}, "SendMessage"),
        EndpointConnectionError(endpoint_url=f"https://sqs/{SAID}"),
        OutOfTime(SAID),
    ],
)
def test_an_answer_whose_usage_cannot_be_sent_is_still_an_answer(
    failure: Exception, live: World, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    def failing(**_: Any) -> None:
        raise failure

    lost: list[tuple[str, int]] = []
    monkeypatch.setattr(use_case, "count", lambda name, amount: lost.append((name, amount)))
    steps.registered(live)
    with monkeypatch.context() as patch:
        patch.setattr(app.usage_queue._client, "send_message", failing)

        answer = steps.ask(live, user="user-1")

    assert (answer.status, answer.body["tuneloop"]["version"]) == (200, 0)
    assert lost == [("UsageLost", 1)]
    assert f'"error":"{kind_of(failure)}"' in log.getvalue()
    assert SAID not in log.getvalue()
    assert steps.usage(live) == []


def test_every_version_that_failed_is_counted_when_none_could_answer(world: World) -> None:
    three_versions(world)

    answer = steps.ask(world, SAID, user="user-1")

    assert (answer.status, answer.body["error"]["code"]) == (503, "provider_unavailable")
    assert counted(world) == [(0, 1, 1, 1, 0), (1, 1, 1, 1, 0), (2, 1, 1, 0, 0)]


def test_a_failed_try_is_counted_beside_the_answer_that_stood_in(live: World) -> None:
    three_versions(live, provider_model=GONE)

    answer = steps.ask(live, user="user-1")

    assert answer.body["tuneloop"] == {"version": 0, "is_finetuned": False, "arm": "candidate", "fallback": True}
    assert counted(live) == [(0, 1, 0, 1, 0), (1, 1, 1, 1, 0), (2, 1, 1, 0, 0)]


def test_the_first_version_has_all_the_time_but_a_reserve_for_fallbacks(world: World) -> None:
    three_versions(world)
    times: list[float] = []

    class Slow(ProviderProxy):
        def complete(self, _: dict[str, Any], timeout_s: float) -> None:
            times.append(timeout_s)
            raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")

    Slow()
    steps.ask(world, user="user-1")

    reserved = use_case.FALLBACK_S
    given = ANSWER_WITHIN_S - routes.USAGE_MARGIN_S
    assert times == pytest.approx([given - 2 * reserved, given - reserved, given], abs=0.5)
    assert given - 2 * reserved > 14


def test_a_server_that_drips_is_stood_in_for_in_time(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "USAGE_MARGIN_S", ANSWER_WITHIN_S - 6)
    monkeypatch.setattr(use_case, "FALLBACK_S", 5)
    steps.registered(world)
    steps.decide(world, "activate")
    reach(world, server.url, monkeypatch)
    body = json.dumps({"choices": [{"message": {"content": "late"}}]}).encode()
    server.plays_next(Play(b" " * 2500, drips="body"), Play(body))
    stage_provider().prepare()  # making it takes as long as the whole call may
    started = monotonic()

    answer = steps.ask(world, user="user-1")

    assert answer.body["tuneloop"]["fallback"]
    assert answer.body["choices"][0]["message"]["content"] == "late"
    assert monotonic() - started < 30  # the first server drips for 50 s


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (Play(b"<h1>Welcome</h1>", kind="text/html"), "provider_nonsense"),
        (Play(json.dumps({"said": SAID}).encode()), "provider_nonsense"),
        (Play(b"{}", status=401), "provider_key_refused"),
        (Play(b"{}", status=403), "provider_key_refused"),
        (Play(b"{}", status=409), "provider_unavailable"),
    ],
)
def test_what_is_no_answer_is_stood_in_for_and_then_said(
    play: Play, code: str, world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.registered(world)
    steps.decide(world, "activate")
    reach(world, server.url, monkeypatch)
    server.plays_next(play)

    answer = steps.ask(world, user="user-1")

    assert (answer.status, answer.body["error"]["code"], answer.body["error"]["type"]) == (503, code, "server_error")
    assert len(server.asked) == 2
    assert SAID not in answer.text
