"""The network of deadlines: every request goes through it, or no client is made at all."""

from typing import Any

import httpcore2
import httpx2
import pytest

from tests.unit.providers.server import Server
from tuneloop.providers.openai import deadlines


def test_a_request_connects_through_the_network_of_deadlines(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[int] = []
    connect = deadlines._Network.connect_tcp

    def note(self: Any, host: str, port: int, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        connected.append(port)
        return connect(self, host, port, *args, **options)

    monkeypatch.setattr(deadlines._Network, "connect_tcp", note)
    server.plays_next({})

    with deadlines.client_with_deadlines(5) as client:
        assert client.get(server.url).is_success

    assert connected == [httpx2.URL(server.url).port]


def test_proxies_of_the_environment_are_reached_through_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "llm.test")

    with deadlines.client_with_deadlines(5) as client:
        transports = [client._transport_for_url(httpx2.URL(url)) for url in ("https://other.test", "https://llm.test")]

    assert transports[0] is not transports[1]
    assert {type(transport._pool._network_backend) for transport in transports} == {deadlines._Network}  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", ["_pool", "_network_backend"])
def test_a_release_without_the_attributes_makes_no_client(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def client(**options: Any) -> httpx2.Client:
        made = httpx2.Client(**options)
        owner: Any = made._transport
        delattr(owner if missing == "_pool" else owner._pool, missing)
        return made

    monkeypatch.setattr(deadlines, "DefaultHttpx2Client", client)

    with pytest.raises(RuntimeError, match=r"has no `_pool\._network_backend` in its HTTPTransport"):
        deadlines.client_with_deadlines(5)
