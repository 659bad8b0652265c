"""Fixtures that several kinds of tests share: a stage in moto, and the world that drives it."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.loaders import JSONFileLoader, create_loader
from hypothesis import settings
from moto.core.serialize import AttributePicker, AttributePickerContext

from tests.scheduling import Together
from tests.world import World, staged

for name in [name for name in os.environ if name.startswith(("AWS_", "TUNELOOP_"))]:
    del os.environ[name]  # whoever runs the tests may be signed in somewhere, or have a stage of his own in his shell

settings.register_profile("tuneloop", deadline=None)  # two busy cores: a deadline would time the machine
settings.load_profile("tuneloop")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Hand out the tests as `tests.scheduling` says, where files are to stay together."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def aws_descriptions() -> Iterator[None]:
    """Read botocore's service descriptions once: moto gives each world a new session, which would read them again."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(botocore.session, "create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def attributes_by_their_names() -> Iterator[None]:
    """Have moto look up the type of an attribute of DynamoDB by its name alone; aliases take a fifth of the time."""
    pick = AttributePicker.__call__

    def quick(picker: AttributePicker, context: AttributePickerContext) -> Any:
        of = getattr(context.shape, "parent", None)
        if of is not None and of.name == "AttributeValue" and type(context.obj) is dict:
            return context.obj.get(context.key)
        return pick(picker, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AttributePicker, "__call__", quick)
        yield


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with staged(monkeypatch) as world:
        yield world
