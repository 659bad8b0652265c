"""A provider that is a played server: one for all tests, as a client takes time to make."""

from collections.abc import Iterator

import pytest

from tests.unit.providers.server import Server
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.providers.openai.adapter import OpenAICompatible


@pytest.fixture(scope="session")
def played() -> Iterator[tuple[Server, OpenAICompatible]]:
    with Server().running() as server:
        provider = OpenAICompatible(RegisteredProvider(name="played", base_url=server.url), lambda: "a-key")
        yield server, provider
        provider.close()


@pytest.fixture
def server(played: tuple[Server, OpenAICompatible]) -> Server:
    return played[0]


@pytest.fixture
def provider(played: tuple[Server, OpenAICompatible]) -> OpenAICompatible:
    return played[1]
