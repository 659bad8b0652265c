"""Fixtures that several kinds of tests share: a stage in moto, and the world that drives it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from moto import mock_aws

from tests.world import ENVIRONMENT, World, build_stage
from tuneloop.app import app

settings.register_profile("tuneloop", deadline=None)  # two busy cores: a deadline would time the machine
settings.load_profile("tuneloop")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    app.__dict__.clear()
    with mock_aws():
        for name, url in build_stage().items():
            monkeypatch.setenv(name, url)
        yield World()
    app.__dict__.clear()
