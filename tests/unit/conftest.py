"""A stage in moto for tests of the stores: empty for every test, and ready at once.

All unit tests may take half a minute, so a test gets the table alone, and Hypothesis tries 40 examples of each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from hypothesis import settings
from moto import mock_aws

from tests.world import ENVIRONMENT, build_stage, build_table
from tuneloop.app import App

settings.register_profile("unit", deadline=None, max_examples=40)
settings.load_profile("unit")


class Clients(boto3.Session):
    """A session that keeps its clients: making one takes as long as a whole test."""

    def client(self, service_name: str, *_: Any, **__: Any) -> Any:  # nothing hangs in moto: no options are needed
        return self._kept(service_name)

    @cache  # noqa: B019 - one session per process
    def _kept(self, service_name: str) -> Any:
        return super().client(service_name)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def clients() -> Clients:
    return Clients("test", "test", region_name="us-east-1")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> Iterator[App]:
    """An app whose table exists and is empty."""
    with _moto(monkeypatch, clients):
        build_table()
        yield App()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> Iterator[App]:
    """An app for which bucket, queues and bus exist too."""
    with _moto(monkeypatch, clients):
        for name, url in build_stage().items():
            monkeypatch.setenv(name, url)
        yield App()


@contextmanager
def _moto(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.DEFAULT_SESSION = clients  # moto puts back the one before when it ends
        yield
