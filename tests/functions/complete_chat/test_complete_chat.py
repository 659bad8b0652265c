"""complete-chat through its real entry point, answered by the real trainer."""

import json
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import reach
from tests.functions.providers import AnswerRecorder, ProviderProxy
from tests.world import World
from tuneloop.domain.core.errors import ProviderUnavailable

CHOICE = "Possible answers, one per line:\norder_status\nrefund"
GONE = "ft:tuneloop-linear-1:local:gone:00000000"


def test_the_answer_has_openai_s_shape_and_says_who_gave_it(live: World) -> None:
    steps.registered(live, prompt=CHOICE)
    steps.decide(live, "activate")

    answer = steps.ask(live, "What is the status of my order?", user="user-1")

    assert answer.status == 200, answer.text
    body = answer.body
    assert (body["object"], body["model"]) == ("chat.completion", steps.BASE_MODEL)
    [choice] = body["choices"]
    assert (choice["message"]["role"], choice["message"]["content"], choice["finish_reason"]) == (
        "assistant",
        "order_status",
        "stop",
    )
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"] > 0
    assert body["tuneloop"] == {"version": 1, "is_finetuned": False, "arm": "stable", "fallback": False}
    assert body["id"].startswith("chatcmpl-support.1.1.stable.")


def test_a_version_is_asked_with_its_prompt_and_parameters_the_app_s_first(live: World) -> None:
    steps.registered(live, prompt=CHOICE, parameters={"temperature": 0.1, "max_tokens": 50})
    steps.decide(live, "activate")
    provider = AnswerRecorder()

    body = {"model": "support", "temperature": 0.9, "user": "user-1", "seed": 7}
    messages = [{"role": "system", "content": "the app's own"}, {"role": "user", "content": "Where is it?"}]
    live.call("POST /v1/chat/completions", "/v1/chat/completions", body | {"messages": messages})

    [sent] = provider.sent
    assert [message["content"] for message in sent["messages"]] == [CHOICE, "Where is it?"]
    assert (sent["temperature"], sent["max_tokens"], sent["seed"]) == (0.9, 50, 7)


def test_a_stream_is_one_event_stream_that_ends_as_openai_s_do(live: World) -> None:
    steps.registered(live, prompt=CHOICE)
    steps.decide(live, "activate")

    answer = steps.ask(live, "order status please", stream=True, stream_options={"include_usage": True})

    assert answer.headers["Content-Type"] == "text/event-stream"
    *events, done, end = answer.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == "order_status"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["tuneloop"]["version"] == 1
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"] > 0) == ([], True)
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


def test_who_cannot_answer_is_stood_in_for_and_it_is_said_and_counted(live: World) -> None:
    steps.registered(live, prompt=CHOICE)
    steps.registered(live, provider_model=GONE)
    steps.decide(live, "activate", {"version": 1})
    steps.share(live, 2, 1.0)

    answer = steps.ask(live, user="user-1").body

    assert answer["tuneloop"] == {"version": 1, "is_finetuned": False, "arm": "candidate", "fallback": True}
    counted = [(row["version"], row["calls"], row["failed"], row["fallbacks"]) for row in steps.usage(live)]
    assert counted == [(1, 1, 0, 1), (2, 1, 1, 0)]


def test_the_base_model_is_the_last_to_stand_in(live: World) -> None:
    for _ in range(2):
        steps.registered(live, provider_model=GONE)
    steps.decide(live, "activate", {"version": 1})
    steps.share(live, 2, 1.0)

    answer = steps.ask(live, user="user-1").body

    assert (answer["tuneloop"]["version"], answer["model"]) == (0, steps.BASE_MODEL)


def test_when_no_version_answers_the_first_refusal_is_told_without_content(world: World) -> None:
    steps.registered(world)

    class Silent(ProviderProxy):
        def complete(self, _: dict[str, Any], timeout_s: float) -> None:
            assert 0 < timeout_s <= 24
            raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")

    Silent()
    answer = steps.ask(world, "a secret")

    assert (answer.status, answer.body["error"]["code"]) == (503, "provider_unavailable")
    assert "secret" not in answer.text
    assert [(row["version"], row["calls"], row["failed"]) for row in steps.usage(world)] == [(0, 1, 1)]


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
def test_a_user_is_served_as_his_route_says(field: str, live: World) -> None:
    steps.registered(live)
    steps.share(live, 1, 0.5)
    for user in (f"user-{number}" for number in range(6)):
        route = live.call("GET /v1/models/{model}/route", "/v1/models/support/route", user=user).body

        told = [steps.ask(live, **{field: user}).body["tuneloop"] for _ in range(2)]

        assert [(record["arm"], record["version"]) for record in told] == [(route["arm"], route["versions"][0])] * 2


def test_calls_without_a_user_are_spread_over_the_arms(live: World) -> None:
    steps.registered(live)
    steps.share(live, 1, 0.5)

    arms = {steps.ask(live).body["tuneloop"]["arm"] for _ in range(24)}

    assert arms == {"stable", "candidate"}


def test_the_safety_identifier_goes_before_the_user(live: World) -> None:
    steps.registered(live)

    ids = [
        steps.ask(live, safety_identifier="a", user="b").body["id"],
        steps.ask(live, user="a").body["id"],
        steps.ask(live, user="b").body["id"],
    ]

    users = [name.split(".")[6] for name in ids]
    assert users[0] == users[1] != users[2]


def test_models_are_listed_as_openai_lists_them(world: World) -> None:
    for name in ("one", "two"):
        steps.registered(world, name)

    found = world.call("GET /v1/models", "/v1/models").body

    assert (found["object"], found["has_more"]) == ("list", False)
    assert [(model["id"], model["object"]) for model in found["data"]] == [("one", "model"), ("two", "model")]
    assert all(model["created"] > 0 for model in found["data"])


def test_a_model_that_nobody_has_is_refused_in_openai_s_words(world: World) -> None:
    answer = steps.ask(world, model="gpt-5")

    assert (answer.status, answer.body["error"]["code"], answer.body["error"]["param"]) == (
        404,
        "model_not_found",
        "model",
    )


def test_a_provider_that_refuses_our_key_is_reported_without_it(
    live: World, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.registered(live)
    reach(live, trainer, monkeypatch, key="not-the-key")

    answer = steps.ask(live)

    assert (answer.status, answer.body["error"]["code"]) == (503, "provider_key_refused")
    assert "not-the-key" not in answer.text
