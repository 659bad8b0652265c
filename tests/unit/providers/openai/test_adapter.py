"""The adapter against a real server: what it makes of every status, every shape and every pace of an answer."""

from collections.abc import Callable
from io import BytesIO
from operator import attrgetter
from time import monotonic
from typing import Any

import pytest

from tests.unit.providers.server import FILE, REQUEST, Play, Server
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.providers.openai import client
from tuneloop.providers.openai.adapter import OpenAICompatible
from tuneloop.providers.port import JOB_NOT_FOUND

SAID = "the purple heron dances at noon"
QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": SAID}]}
ANSWER = {"id": "c-1", "choices": [{"message": {"role": "assistant", "content": "late"}}]}
NONSENSE = [b"", b"<html>", b"[]", b"null", b'"text"', b"{", b"[" * 100_000, b'{"id": "\\ud800"}']
Provider = OpenAICompatible
Call = Callable[[Provider, float], Any]
READS: dict[str, Call] = {
    "complete": lambda provider, seconds: provider.complete(QUESTION, seconds),
    "get_job": lambda provider, seconds: provider.get_job("job-1", seconds),
    "events": lambda provider, seconds: provider.events("job-1", seconds),
    "jobs": lambda provider, _: list(provider.jobs()),
}
ALL: dict[str, Call] = READS | {
    "create_job": lambda provider, _: provider.create_job(REQUEST),
    "find_jobs": lambda provider, _: provider.find_jobs("run-1"),
    "find_file": lambda provider, _: provider.find_file(FILE),
    "upload": lambda provider, _: provider.upload(FILE, "base-1", BytesIO(b"{}")),
}
ENOUGH_S = 60.0  # for an answer that comes at once, however busy the machine is
read = pytest.mark.parametrize("call", READS.values(), ids=READS)
every = pytest.mark.parametrize("call", ALL.values(), ids=ALL)


def error(code: Any = "some_code", **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"Wrong: {SAID}", "code": code, "type": "some_type", **more}}


@pytest.mark.parametrize(
    ("said", "kept"),
    [("cut \\ud83d", "cut \ufffd"), ("\\ud83d\\ude00 \\udc00", "\U0001f600 \ufffd"), ("\\\\ud83d", "\\ud83d")],
)
def test_an_answer_that_was_cut_off_within_a_character_is_kept(
    said: str, kept: str, server: Server, provider: Provider
) -> None:
    text = f'{{"id":"c-1","choices":[{{"message":{{"role":"assistant","content":"{said}"}}}}]}}'
    server.plays_next(Play(text.encode()))

    assert provider.complete(QUESTION, 5).choices[0].message.content == kept


@pytest.mark.parametrize("status", [302, 402, 408, 409, 425, 429, 500, 502, 503])
def test_what_may_pass_is_waited_for(status: int, server: Server, provider: Provider) -> None:
    server.plays_next(error(), status=status)

    with pytest.raises(ProviderUnavailable, match=rf"^The provider can't answer now \({status} some_code\)\. ") as told:
        provider.complete(QUESTION, 5)

    assert SAID not in told.value.message
    assert len(server.asked) == 1


@every
@pytest.mark.parametrize(("status", "check"), [(401, "Check the provider's key"), (403, "what the provider's key")])
def test_a_key_that_is_not_taken_is_waited_for_and_says_what_to_check(
    call: Call, status: int, check: str, server: Server, provider: Provider
) -> None:
    server.plays_next(error("invalid_api_key"), status=status)

    with pytest.raises(ProviderUnavailable, match=rf"\({status} invalid_api_key\).*{check}") as told:
        call(provider, ENOUGH_S)

    assert told.value.code == "provider_key_refused"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_refusal_is_told_by_its_code_and_field_alone(status: int, server: Server, provider: Provider) -> None:
    server.plays_next(error(param="messages"), status=status)

    with pytest.raises(ProviderRefused) as told:
        provider.complete(QUESTION, 5)

    assert told.value.message == f"The provider refused the call: {status} some_code."
    assert (told.value.code, told.value.param) == ("provider_refused", "messages")


@pytest.mark.parametrize("code", [f"bad: {SAID}", "x" * 65, {"said": SAID}, 17, None])
def test_a_code_that_could_be_a_sentence_is_not_repeated(code: Any, server: Server, provider: Provider) -> None:
    server.plays_next(error(code, type=SAID, param=SAID), status=400)

    with pytest.raises(ProviderRefused) as told:
        provider.complete(QUESTION, 5)

    assert told.value.message in (
        "The provider refused the call: 400 BadRequestError.",
        "The provider refused the call: 400 17.",
    )
    assert told.value.param is None


def test_a_job_that_is_not_there_has_a_code_of_its_own(server: Server, provider: Provider) -> None:
    server.plays_next(error(), status=404)

    with pytest.raises(ProviderRefused) as told:
        provider.get_job("job-1", 5)

    assert told.value.code == JOB_NOT_FOUND


def test_a_page_of_a_proxy_says_nothing_about_the_job(server: Server, provider: Provider) -> None:
    server.plays_next(b"<h1>default backend - 404</h1>", status=404, kind="text/html")

    with pytest.raises(ProviderRefused) as told:
        provider.get_job("job-1", 5)

    assert told.value.code == "provider_refused"


@every
@pytest.mark.parametrize("body", NONSENSE)
def test_an_answer_that_makes_no_sense_is_no_answer(
    call: Call, body: bytes, server: Server, provider: Provider
) -> None:
    server.plays_next(body, kind="text/html" if body == b"<html>" else "application/json")

    with pytest.raises(ProviderUnavailable, match="makes no sense") as told:
        call(provider, ENOUGH_S)

    assert told.value.code == "provider_nonsense"


@pytest.mark.parametrize(
    "body",
    [
        {},
        error(),
        {"choices": []},
        {"choices": 5},
        {"choices": ["late"]},
        {"choices": [{"message": {"content": 5}}]},
    ],
)
def test_a_completion_without_an_answer_makes_no_sense(body: Any, server: Server, provider: Provider) -> None:
    server.plays_next(body)

    with pytest.raises(ProviderUnavailable, match="makes no sense"):
        provider.complete(QUESTION, 5)


@pytest.mark.parametrize(
    ("odd", "read"),
    [
        ({"usage": {"prompt_tokens": None, "completion_tokens": 7}}, ("usage.completion_tokens", 7)),
        ({"usage": {"prompt_tokens": "many"}}, ("usage.prompt_tokens", None)),
        ({"usage": {"prompt_tokens": -5}}, ("usage.prompt_tokens", None)),
        ({"usage": {"prompt_tokens": 10**40}}, ("usage.prompt_tokens", None)),
        ({"usage": {"prompt_tokens": 12.0}}, ("usage.prompt_tokens", 12)),
        ({"usage": "none"}, ("usage", None)),
        ({"created": 1.5}, ("created", 1)),
        ({"created": "yesterday"}, ("created", 0)),
        ({"created": 1e300}, ("created", 0)),
        ({"id": None}, ("id", "")),
        ({"model": 5}, ("model", "")),
        ({"object": "text_completion"}, ("object", "chat.completion")),
    ],
)
def test_an_answer_that_is_paid_for_is_taken_whatever_stands_around_it(
    odd: dict[str, Any], read: tuple[str, Any], server: Server, provider: Provider
) -> None:
    server.plays_next(ANSWER | odd)

    answer = provider.complete(QUESTION, 5)

    path, value = read
    assert (answer.text, attrgetter(path)(answer)) == ("late", value)


@pytest.mark.parametrize("odd", [{"index": "first"}, {"finish_reason": 5}, {"logprobs": []}])
def test_an_answer_s_text_is_taken_whatever_stands_beside_it(
    odd: dict[str, Any], server: Server, provider: Provider
) -> None:
    message = {"role": None, "refusal": 5, "content": "late"}
    server.plays_next({"choices": [{"message": message, **odd}]})

    answer = provider.complete(QUESTION, 5)

    [choice] = answer.choices
    assert (choice.message.content, choice.message.role, choice.message.refusal) == ("late", "assistant", None)
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, None, None)


@every
def test_json_that_is_about_something_else_makes_no_sense(call: Call, server: Server, provider: Provider) -> None:
    server.plays_next({"detail": SAID})

    with pytest.raises(ProviderUnavailable, match="makes no sense") as told:
        call(provider, ENOUGH_S)

    assert SAID not in told.value.message


def test_an_answer_needs_no_id_and_keeps_what_nobody_knows(server: Server, provider: Provider) -> None:
    server.plays_next({"choices": ANSWER["choices"], "system_fingerprint": "fp"}, kind="text/plain")

    answer = provider.complete(QUESTION | {"top_k": 5}, 5)

    assert (answer.id, answer.text, answer.model_extra) == ("", "late", {"system_fingerprint": "fp"})
    [asked] = server.asked
    assert (asked.method, asked.path, asked.key) == ("POST", "/v1/chat/completions", "a-key")
    assert asked.json == QUESTION | {"top_k": 5}


@read
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_drips_is_left_when_the_time_is_over(
    call: Call, part: str, server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIST_S", 0.1)
    server.plays_next(Play(b" " * 2500, drips=part, headers=("X-Long: " + "x" * 2500,)))
    started = monotonic()

    with pytest.raises(ProviderUnavailable, match="APITimeoutError"):
        call(provider, 0.1)

    assert 0.09 < monotonic() - started < 30  # the answer drips for 50 s


@pytest.mark.parametrize("left", [0.0, -3.0])
def test_without_any_time_left_nothing_is_asked(left: float, server: Server, provider: Provider) -> None:
    server.plays_next(ANSWER)

    with pytest.raises(ProviderUnavailable, match="no time left"):
        provider.complete(QUESTION, left)

    assert server.asked == []


def test_a_call_in_time_leaves_the_next_one_all_of_its_own(server: Server, provider: Provider) -> None:
    server.plays_next(Play(b" " * 1000, drips="body"), ANSWER)
    with pytest.raises(ProviderUnavailable, match="APITimeoutError"):
        provider.complete(QUESTION, 0.5)  # drips for far longer, and even a busy machine has asked by then

    assert provider.complete(QUESTION, 5).text == "late"


def test_nobody_there_is_the_same_as_no_answer() -> None:
    nowhere = OpenAICompatible(RegisteredProvider(name="nowhere", base_url="http://127.0.0.1:9/v1"), lambda: "a-key")

    with pytest.raises(ProviderUnavailable, match="APIConnectionError"):
        nowhere.complete(QUESTION, 5)

    nowhere.close()


def test_a_name_that_no_address_belongs_to_is_the_same_as_no_answer() -> None:
    nowhere = OpenAICompatible(
        RegisteredProvider(name="nowhere", base_url="http://nowhere.invalid/v1"), lambda: "a-key"
    )

    with pytest.raises(ProviderUnavailable, match="APIConnectionError"):
        nowhere.complete(QUESTION, 5)

    nowhere.close()


def test_a_key_that_is_no_longer_taken_is_read_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["old", "new"])
    provider = OpenAICompatible(RegisteredProvider(name="played", base_url=server.url), lambda: next(keys))
    monkeypatch.setattr(client, "KEY_KEPT_S", 0)
    server.plays_next(Play(b"{}", status=401), ANSWER)

    with pytest.raises(ProviderUnavailable):
        provider.complete(QUESTION, 5)
    provider.complete(QUESTION, 5)

    assert [asked.key for asked in server.asked] == ["old", "new"]
    provider.close()


def test_a_wrong_key_is_not_read_again_at_once(server: Server) -> None:
    keys = iter(["old"])
    provider = OpenAICompatible(RegisteredProvider(name="played", base_url=server.url), lambda: next(keys))
    server.plays_next(error(), status=401)

    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            provider.complete(QUESTION, 5)

    assert {asked.key for asked in server.asked} == {"old"}
    provider.close()


def test_the_key_is_read_and_the_sdk_loaded_once_by_their_first_user(server: Server) -> None:
    read: list[str] = []

    def key() -> str:
        read.append("a-key")
        return "a-key"

    provider = OpenAICompatible(RegisteredProvider(name="played", base_url=server.url), key)
    assert (read, "_client" in vars(provider._calls)) == ([], False)

    provider.prepare()
    client = vars(provider._calls)["_client"]
    server.plays_next(ANSWER)
    provider.complete(QUESTION, 5)

    assert (read, provider._calls._client, server.asked[0].key) == (["a-key"], client, "a-key")
    provider.close()
