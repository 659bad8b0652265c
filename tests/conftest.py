"""Fixtures that several kinds of tests share: a stage in moto, and the world that drives it."""

import os
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore.loaders import JSONFileLoader, create_loader
from hypothesis import settings

from tests.world import World, staged

for name in [name for name in os.environ if name.startswith(("AWS_", "TUNELOOP_"))]:
    del os.environ[name]  # whoever runs the tests may be signed in somewhere, or have a stage of his own in his shell

settings.register_profile("tuneloop", deadline=None)  # two busy cores: a deadline would time the machine
settings.load_profile("tuneloop")


@pytest.fixture(scope="session", autouse=True)
def aws_descriptions() -> Iterator[None]:
    """Read botocore's service descriptions once: moto gives each world a new session, which would read them again."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(botocore.session, "create_loader", cache(create_loader))
        yield


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with staged(monkeypatch) as world:
        yield world
