"""A stage in moto for tests of the stores: empty for every test, and ready at once."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.world import ENVIRONMENT, build_stage
from tuneloop.app import App


class Clients(boto3.Session):
    """A session that keeps its clients: making one takes as long as a whole test."""

    @cache  # noqa: B019 - one session per process
    def client(self, service_name: str) -> Any:
        return super().client(service_name)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def clients() -> Clients:
    return Clients("test", "test", region_name="us-east-1")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> Iterator[App]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.DEFAULT_SESSION = clients  # moto puts back the one before when it ends
        for name, url in build_stage().items():
            monkeypatch.setenv(name, url)
        yield App()
