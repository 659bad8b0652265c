"""The composition root: everything is made once, when it is first needed, and only from what the function was told."""

import re
from functools import cached_property, partial
from typing import Any, get_origin, get_type_hints

import pytest

from tests.world import ENVIRONMENT
from tuneloop.app import App, new_nonce, utc_now


def test_what_is_made_is_kept(app: App) -> None:
    assert app.table is app.table
    assert app.datasets is app.datasets
    assert app.settings is app.settings


PARTS = {
    name: member.func.args
    for name, member in vars(App).items()
    if isinstance(member, cached_property) and isinstance(member.func, partial)
}


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_of_its_declared_class_and_made_of_what_that_takes(
    app: App, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_EXAMPLES_QUEUE_URL", "https://sqs.example/examples")
    path, needs = PARTS[name]
    made = getattr(app, name)
    takes = get_type_hints(type(made).__init__)

    assert App.__annotations__[name] == type(made).__name__ == path.rpartition(".")[2]
    assert len(takes) - 1 == len(needs)
    assert [need for need, kind in zip(needs, takes.values(), strict=False) if not fits(getattr(app, need), kind)] == []


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a class, or has the methods of a Protocol, or can be called."""
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(value, method) for method in vars(kind) if not method.startswith("_"))
    return isinstance(value, get_origin(kind) or kind)


def test_every_store_works_on_the_stage_s_own_table_and_bucket(app: App) -> None:
    assert app.table.name == ENVIRONMENT["TUNELOOP_TABLE"]
    assert app.objects.bucket == ENVIRONMENT["TUNELOOP_BUCKET"]
    stores = (app.tenants, app.datasets, app.exports, app.runs, app.models, app.evaluations, app.usage, app.outbox)
    assert all(store._table is app.table for store in stores)


@pytest.mark.parametrize(
    ("variable", "needed"),
    [
        ("TUNELOOP_BUS", "bus"),
        ("TUNELOOP_EXAMPLES_QUEUE_URL", "examples_queue"),
        ("TUNELOOP_USAGE_QUEUE_URL", "usage_queue"),
        ("TUNELOOP_PROVIDER_KEY_PARAMETER", "providers"),
    ],
)
def test_what_a_function_was_not_given_is_named_when_it_asks(
    app: App, monkeypatch: pytest.MonkeyPatch, variable: str, needed: str
) -> None:
    monkeypatch.delenv(variable, raising=False)

    with pytest.raises(RuntimeError, match=f"{variable} is not set"):
        getattr(app, needed)


def test_time_is_utc_and_nonces_are_hex() -> None:
    assert str(utc_now().tzinfo) == "UTC"
    assert re.fullmatch("[0-9a-f]{12}", new_nonce())
    assert new_nonce() != new_nonce()
