"""Exports: frozen once, together with how far their dataset is exported."""

import pytest

from tests.unit.factories import NOW, SECOND, a_dataset, an_export
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import ExportCreated
from tuneloop.domain.exports.exports import Export


def event_of(export: Export) -> ExportCreated:
    return ExportCreated(tenant="acme", dataset="support", export=export.id, revision=export.revision, examples=90)


@pytest.fixture
def dataset(app: App) -> Dataset:
    app.datasets.create(a_dataset(), None)
    return app.datasets.get("acme", "support")


def add(app: App, export: Export, dataset: Dataset) -> None:
    app.exports.add(export, dataset.model_copy(update={"exported_revision": export.revision}), event_of(export), NOW)


def test_an_export_its_revision_and_its_event_are_one_write(app: App, dataset: Dataset) -> None:
    add(app, an_export(), dataset)

    assert app.exports.get("acme", "support", "export-1") == an_export(seq=1)
    assert app.datasets.get("acme", "support").exported_revision == 1
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["ExportCreated"]


def test_an_export_is_added_once(app: App, dataset: Dataset) -> None:
    add(app, an_export(), dataset)

    with pytest.raises(Stale):
        add(app, an_export(), app.datasets.get("acme", "support"))

    assert len(list(app.outbox.backlog(NOW + SECOND))) == 1


def test_an_export_of_a_dataset_that_grew_meanwhile_is_not_added(app: App, dataset: Dataset) -> None:
    app.datasets.save(dataset)

    with pytest.raises(Stale):
        add(app, an_export(), dataset)

    assert app.exports.find("acme", "support", "export-1") is None


def test_an_export_that_is_not_there_is_named(app: App) -> None:
    with pytest.raises(NotFound, match="Dataset support has no export export-1") as refusal:
        app.exports.get("acme", "support", "export-1")

    assert refusal.value.param == "export"


def test_exports_are_listed_newest_first_and_to_their_tenant_alone(app: App, dataset: Dataset) -> None:
    for number in (1, 2):
        export = an_export(id=f"export-{number}", revision=number, created_at=NOW + number * SECOND)
        add(app, export, app.datasets.get("acme", dataset.id))

    assert [export.id for export in app.exports.page("acme", "support", 10, None).data] == ["export-2", "export-1"]
    assert app.exports.page("initech", "support", 10, None).data == []
    assert app.exports.find("initech", "support", "export-1") is None
