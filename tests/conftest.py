"""Fixtures that several kinds of tests share: a stage in moto, and the world that drives it."""

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.fast_moto import take_shortcuts
from tests.load_scope import Together
from tests.world import World, staged

for name in [name for name in os.environ if name.startswith(("AWS_", "TUNELOOP_"))]:
    del os.environ[name]  # whoever runs the tests may be signed in somewhere, or have a stage of his own in his shell

# The CDK's check of a template against AWS's own rules, which only warns, takes half of every synthesis (5 s of 10):
# it is done where a release is tried (tests/ops/trial.py), as an operator's deploy does it.
os.environ["CDK_VALIDATION"] = "false"

settings.register_profile("tuneloop", deadline=None)  # two busy cores: a deadline would time the machine
settings.load_profile("tuneloop")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Hand out the tests as `tests.load_scope` says, where files are to stay together."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported stays: walking it again and again took an eighth of the time


@pytest.fixture(scope="session", autouse=True)
def shortcuts() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        take_shortcuts(patch)
        yield patch


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with staged(monkeypatch) as world:
        yield world
