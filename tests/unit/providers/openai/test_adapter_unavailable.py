"""A provider that is away is counted, wherever it is called from; one that turns down a call of ours is not."""

from typing import Any

import pytest

from tests.unit.providers.server import Server
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.observability import metrics
from tuneloop.providers.openai.adapter import OpenAICompatible

QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    metrics.provider.clear_metrics()


def counted() -> int:
    return len(metrics.provider.metric_set.get("ProviderUnavailable", {"Value": []})["Value"])


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_no_answer_and_a_refused_key_count(status: int, server: Server, provider: OpenAICompatible) -> None:
    server.plays_next({"error": {"message": "Wrong", "code": "some_code"}}, status=status)

    with pytest.raises(ProviderUnavailable):
        provider.complete(QUESTION, 5)

    assert counted() == 1


def test_nonsense_counts(server: Server, provider: OpenAICompatible) -> None:
    server.plays_next({"choices": []})

    with pytest.raises(ProviderUnavailable):
        provider.complete(QUESTION, 5)

    assert counted() == 1


def test_an_address_where_nobody_listens_counts() -> None:
    provider = OpenAICompatible(RegisteredProvider(name="nobody", base_url="http://127.0.0.1:9/v1"), lambda: "a-key")

    with pytest.raises(ProviderUnavailable):
        provider.complete(QUESTION, 5)

    provider.close()
    assert counted() == 1


def test_a_key_that_is_missing_counts_and_is_asked_for_until_it_is_there(server: Server) -> None:
    keys = iter([None, None, "a-key"])
    provider = OpenAICompatible(RegisteredProvider(name="played", base_url=server.url), lambda: next(keys))
    server.plays_next({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]})

    for call in (lambda: provider.complete(QUESTION, 5), provider.prepare):
        with pytest.raises(ProviderUnavailable, match="make provider-key") as told:
            call()
        assert told.value.code == "provider_key_missing"
    provider.complete(QUESTION, 5)

    provider.close()
    assert [asked.key for asked in server.asked] == ["a-key"]
    assert counted() == 2


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_call_that_is_turned_down_does_not(status: int, server: Server, provider: OpenAICompatible) -> None:
    server.plays_next({"error": {"message": "Wrong", "code": "some_code"}}, status=status)

    with pytest.raises(ProviderRefused):
        provider.complete(QUESTION, 5)

    assert counted() == 0
