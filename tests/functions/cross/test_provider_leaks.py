"""A provider that quotes data and our key in all it says: neither stands in a row, a log, a refusal or an event."""

import json
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.conftest import reach
from tests.unit.providers.server import Play, Server
from tests.world import TABLE, World

KEY = "sk-the-operator-s-own-key"
CANARY = "the purple heron dances at noon"
KEY_QUOTED = f"Incorrect API key provided: {KEY}."
QUOTES = f"Invalid example: {CANARY}. {KEY_QUOTED}"
LIE = {"message": QUOTES, "code": f"bad: {QUOTES}", "type": QUOTES, "param": QUOTES}
FAILED = {"id": "ftjob-1", "status": "failed", "model": QUOTES, "error": LIE}
EVENT = {"id": "e-1", "level": "error", "message": QUOTES, "data": {"said": QUOTES}}
NO_MORE: dict[str, Any] = {"data": [], "has_more": False}
HONEST: dict[str, Any] = {
    "GET /v1/files": NO_MORE,
    "POST /v1/files": {"id": "file-1"},
    "GET /v1/fine_tuning/jobs": NO_MORE,
    "POST /v1/fine_tuning/jobs": {"id": "ftjob-1", "status": "queued"},
    "GET /v1/fine_tuning/jobs/ftjob-1": FAILED,
    "GET /v1/fine_tuning/jobs/ftjob-1/events": {"data": [EVENT], "has_more": False},
}


class Liar(Server):
    """Answers by method and path; what it has no answer for it refuses at length, with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 400
        self.says: dict[str, Any] = {}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        said = self.says.get(f"{request.command} {urlsplit(request.path).path}")
        refusal = Play(json.dumps({"error": LIE}).encode(), status=self.status)
        self.plays = deque([refusal if said is None else Play(json.dumps(said).encode())])
        super().answer(request)


@pytest.fixture
def liar(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    """The provider of the world's functions."""
    with Liar().running() as server:
        reach(world, server.url, monkeypatch, key=KEY)
        yield server


def kept(world: World, log: StringIO) -> str:
    """All that is written down: rows, messages and the log."""
    rows: list[Any] = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    return json.dumps([rows, world.events, world.delivered]) + log.getvalue()


def require_silence(world: World, log: StringIO, *answers: Any) -> None:
    written = kept(world, log) + json.dumps(answers)
    assert CANARY not in written
    assert KEY not in written


def launched(world: World) -> str:
    steps.settled(world, [{**line, "split": "train"} for line in steps.questions(12)])
    run: str = steps.runs(world)[0]["id"]
    return run


@pytest.mark.parametrize("refused", HONEST)
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_run_says_what_the_provider_refused_and_not_how(
    refused: str, status: int, world: World, liar: Liar, log: StringIO
) -> None:
    liar.says, liar.status = {**HONEST, refused: None}, status
    run = launched(world)

    world.schedule("check-status")
    seen = steps.look(world, run)

    assert seen["error"] or seen["waiting_for"], "somebody has to be told"
    require_silence(world, log, seen, steps.runs(world))


@pytest.mark.parametrize("swept", [True, False])
def test_a_failed_job_is_told_by_its_code_and_its_reason_is_not_kept(
    swept: bool, world: World, liar: Liar, log: StringIO
) -> None:
    told = FAILED | {"error": LIE | {"code": "invalid_training_file", "param": "training_file"}}
    page = {"data": [told], "has_more": False}
    liar.says = HONEST
    run = launched(world)
    liar.says = HONEST | {"GET /v1/fine_tuning/jobs": page, "GET /v1/fine_tuning/jobs/ftjob-1": told}

    if swept:
        world.schedule("check-status")
    seen = steps.look(world, run)

    assert (seen["status"], seen["error"]["code"]) == ("failed", "invalid_training_file")
    assert seen["error"]["message"].startswith("The provider ended the job: invalid_training_file (training_file).")
    require_silence(world, log, seen)


def test_a_run_s_events_are_the_provider_s_own_but_for_our_key(world: World, liar: Liar, log: StringIO) -> None:
    liar.says = HONEST
    run = launched(world)

    [event] = world.call("GET /v1/training-runs/{run}/events", f"/v1/training-runs/{run}/events").body["data"]

    assert event["message"] == QUOTES.replace(KEY, "[key]")
    require_silence(world, log)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_chat_that_no_version_answers_is_refused_without_provider_words(
    status: int, world: World, liar: Liar, log: StringIO
) -> None:
    liar.status = status
    number = steps.registered(world)
    steps.decide(world, "activate", {"version": number})

    answer = steps.ask(world, CANARY)

    assert answer.status in (400, 503)
    require_silence(world, log, answer.body)


@pytest.mark.parametrize("key", ["EMPTY", KEY])
def test_a_model_s_answer_is_left_as_it_is(
    key: str, world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    reach(world, liar.url, monkeypatch, key=key)
    said = f"The status is {key}."
    message = {"role": "assistant", "content": said}
    liar.says = {"POST /v1/chat/completions": {"id": "c-1", "choices": [{"index": 0, "message": message}]}}
    steps.registered(world)

    answer = steps.ask(world)

    assert answer.body["choices"][0]["message"]["content"] == said
    assert said not in kept(world, log)


@pytest.mark.parametrize("field", ["code", "type", "param"])
def test_a_key_that_stands_where_a_code_should_is_not_repeated(
    field: str, world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setitem(LIE, field, KEY)
    liar.says = HONEST | {"POST /v1/files": None}
    run = launched(world)

    seen = steps.look(world, run)

    assert seen["error"]["code"] == "provider_refused"
    require_silence(world, log, seen, steps.ask(world).body)


def test_a_word_that_a_server_takes_for_a_key_is_no_secret(
    world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(world, liar.url, monkeypatch, key="EMPTY")
    event = {"id": "e-1", "message": "The queue is EMPTY."}
    liar.says = HONEST | {"GET /v1/fine_tuning/jobs/ftjob-1/events": {"data": [event], "has_more": False}}
    run = launched(world)

    [told] = world.call("GET /v1/training-runs/{run}/events", f"/v1/training-runs/{run}/events").body["data"]

    assert told["message"] == "The queue is EMPTY."


@pytest.mark.usefixtures("liar")
def test_an_evaluation_says_that_it_was_refused_and_not_how(world: World, log: StringIO) -> None:
    [body] = scripted_evaluations.prepare_comparison(world, scripted_evaluations.lines(20))

    ended = scripted_evaluations.evaluate_to_end(world, body)

    assert ended["status"] in ("completed", "failed")
    assert ended["error"]
    require_silence(world, log, ended)
