"""A stage in moto for tests of the stores: empty for every test, and ready within 30 ms."""

from collections.abc import Iterator
from functools import cache

import boto3
import pytest
from moto import mock_aws

from tests.world import ENVIRONMENT, build_stage
from tuneloop.app import App


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.DEFAULT_SESSION = _session()  # put back by moto at the end
        for name, url in build_stage().items():
            monkeypatch.setenv(name, url)
        yield App()


@cache
def _session() -> boto3.Session:
    """One session per process: loading the services' models takes ten times as long as making a stage."""
    return boto3.Session("test", "test", region_name="us-east-1")
