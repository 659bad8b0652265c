"""Walls between tenants: whatever the names, no store asks for a row, and no path leads to an object, of anybody else.

Stores are found, not listed: a read that is added tomorrow, and takes its tenant first, is tried tomorrow.
"""

import base64
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect_examples.presign_upload import presign_upload
from collect_examples.views import NewUpload
from tests.unit.factories import NAMES, NOW, a_dataset, a_run
from tuneloop.app import App
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import InvalidInput, TuneloopError
from tuneloop.domain.datasets.drops import FILENAME, Drop, parse_drop_path
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store import keys
from tuneloop.store.dynamodb import Table
from tuneloop.store.repositories.posts import posted_key

WITHOUT_TABLE = {
    "settings",
    "table",
    "objects",
    "contents",
    "example_counts",
    "fingerprint_backfill",
    "trained",
    "membership",
    "bus",
    "examples_queue",
    "posts",
    "usage_queue",
    "provider_rows",
    "known_providers",
    "providers",
    "_ssm",
}
TENANTS = {"exists", "ensure"}  # what they ask for is the registry's row of the tenant itself
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: NAMES,
    int: st.integers(0, 999),
    datetime: st.just(NOW),
    str | None: st.none(),
}
numbers = count()
FILES = st.text(min_size=1, max_size=60).filter(lambda name: name.strip("/"))


class Recorder:
    """A DynamoDB that holds nothing and remembers which partitions it was asked for."""

    def __init__(self) -> None:
        self.partitions: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> dict[str, Any]:
            self.partitions += _partitions(request)
            return {"Items": []}

        return call

    def get_paginator(self, _: str) -> Any:
        recorder = self

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
                yield recorder.query(**request)

        return Paginator()


def _partitions(request: Any) -> Iterator[str]:
    """The texts under `pk` and `:pk`, however deep in a request; where a page begins says nothing of whose it is."""
    if isinstance(request, list):
        for part in request:
            yield from _partitions(part)
    if isinstance(request, dict):
        for name, part in request.items():
            if name in ("pk", ":pk"):
                yield part["S"]
            elif name != "ExclusiveStartKey":
                yield from _partitions(part)


def stores(recorder: Recorder) -> dict[str, Any]:
    """Every store that works on the table."""
    app = App()
    app.__dict__["table"] = Table(recorder, "table")  # type: ignore[arg-type]
    names = [name for name, _ in inspect.getmembers(App, lambda member: isinstance(member, cached_property))]
    return {name: getattr(app, name) for name in names if name not in WITHOUT_TABLE}


def methods() -> Iterator[tuple[str, str]]:
    """Every method of every store that takes a tenant first and beside it only names, numbers and times."""
    for name, store in stores(Recorder()).items():
        for method, routine in inspect.getmembers(store, inspect.ismethod):
            first, *others = [*inspect.signature(routine).parameters, ""]
            hints = get_type_hints(routine)
            if not method.startswith("_") and first == "tenant" and all(hints[each] in PLAIN for each in others[:-1]):
                yield name, method


METHODS = list(methods())


def test_there_are_methods_of_every_store_to_try() -> None:
    assert len(METHODS) >= 15
    assert {store for store, _ in METHODS} == stores(Recorder()).keys() - {"outbox"}


@given(st.data(), st.sampled_from(METHODS), NAMES)
def test_a_store_asks_for_rows_of_its_tenant_only(data: st.DataObject, which: tuple[str, str], tenant: str) -> None:
    recorder = Recorder()
    routine = getattr(stores(recorder)[which[0]], which[1])
    hints = get_type_hints(routine)
    others = [name for name in inspect.signature(routine).parameters if name != "tenant"]

    with suppress(TuneloopError):
        found = routine(tenant, **{name: data.draw(PLAIN[hints[name]]) for name in others})
        assert not inspect.isgenerator(found) or list(found) == []

    assert recorder.partitions
    allowed = (keys.TENANTS,) if which[1] in TENANTS else ()
    assert all(each.startswith(f"T#{tenant}#") or each in allowed for each in recorder.partitions)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(tenant=NAMES, ending=st.sampled_from(["-", "-2", "s", "0"]), name=NAMES)
def test_what_one_tenant_has_no_other_finds_or_lists(app: App, tenant: str, ending: str, name: str) -> None:
    one = f"{tenant[:40]}-{next(numbers)}"
    other = one + ending
    app.datasets.create(a_dataset(tenant=one, id=name), None)
    for number in range(2):
        app.runs.save(a_run(tenant=one, id=f"run-{number}"))
    [first], cursor = app.runs.page(one, 1, None)

    assert app.datasets.find(one, name)
    assert app.datasets.find(other, name) is None
    assert list(app.datasets.all(other)) == []
    assert app.runs.find(other, first.id) is None
    assert app.runs.page(other, 10, None).data == []
    assert cursor
    assert len(app.runs.page(one, 10, cursor).data) == 1
    with pytest.raises(InvalidInput):
        app.runs.page(other, 10, cursor)


@given(NAMES, NAMES, FILES)
def test_a_path_is_its_tenant_s_whatever_the_file_is_called(tenant: str, dataset: str, file: str) -> None:
    with suppress(InvalidInput):
        path = parse_drop_path(f"incoming/{tenant}/{dataset}/{file}")
        assert (path.tenant, path.dataset) == (tenant, dataset)


@given(st.lists(st.sampled_from(["..", ".", "", "acme", "rival", "incoming", "%2e%2e", "test"]), max_size=8))
def test_no_path_climbs_into_another_tenant_s_folder(steps: list[str]) -> None:
    key = "/".join(["incoming", "acme", *steps])

    with suppress(InvalidInput):
        assert parse_drop_path(key).tenant == "acme"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenant=NAMES, dataset=NAMES, file=st.from_regex(FILENAME, fullmatch=True), split=st.sampled_from([*Split, None]))
def test_an_upload_s_form_is_for_a_file_of_its_tenant(
    stage: App, tenant: str, dataset: str, file: str, split: Split | None
) -> None:
    new = NewUpload(filename=file[-60:] if len(file) > 200 else file, split=split)

    form = presign_upload(tenant, dataset, new, nonce="n", objects=stage.objects, now=NOW)

    path = parse_drop_path(form.object)
    assert (path.tenant, path.dataset, path.split) == (tenant, dataset, split)
    assert form.fields["key"] == form.object
    assert form.object.startswith(f"incoming/{tenant}/{dataset}/")


@given(NAMES, NAMES, NAMES, NAMES)
def test_posts_of_two_datasets_never_lie_in_one_object(tenant: str, dataset: str, other: str, another: str) -> None:
    places = {(tenant, dataset), (other, another)}

    posts = [Drop(id="drop-1", tenant=one, dataset=name, object="api", created_at=NOW) for one, name in places]

    assert len({posted_key(post) for post in posts}) == len(places)
    assert all(posted_key(post).startswith(f"posted/{post.tenant}/") for post in posts)


@given(st.data(), NAMES, NAMES)
def test_no_cursor_whatever_changes_whose_rows_are_listed(data: st.DataObject, one: str, other: str) -> None:
    recorder = Recorder()
    mine = keys.run(one, "").pk
    places = st.sampled_from([mine, keys.run(other, "").pk, "", keys.TENANTS, "run-1"])
    start = {name: data.draw(places) for name in ("pk", "sk", "list_pk", "list_sk")}
    cursor = base64.urlsafe_b64encode(json.dumps(start).encode()).decode()

    with suppress(InvalidInput):
        Table(recorder, "table").newest(mine, ControlledRun, 1, cursor)  # type: ignore[arg-type]

    assert set(recorder.partitions) <= {mine}
    assert not recorder.partitions or start["list_pk"] == mine
