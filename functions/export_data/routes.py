"""The exports routes: ask for one, list them, read one with its download links."""

from datetime import datetime

from pydantic import BaseModel

from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.errors import Conflict, NotFound
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export, export_id
from tuneloop.http import Api, Cursor, Limit, ListOf, Name, listed
from tuneloop.store.objects import Objects

api = Api(app)

REVISIONS_KNOWN = 300  # the latest ones, whose exports are told apart from those that nobody can have asked for


class FileView(BaseModel):
    """One file of an export; `url` downloads it for 15 minutes."""

    examples: int
    tokens: int
    bytes: int
    sha256: str
    url: str | None = None


class ExportView(BaseModel):
    """An export as its users read it; one that is still being frozen has no files yet."""

    id: Name
    dataset: Name
    revision: int
    status: str = "frozen"
    files: dict[Split, FileView] = {}
    duplicates: int | None = None
    kept_out: int | None = None
    conflicting_prompts: int | None = None
    distinct_answers: int | None = None
    created_at: datetime | None = None


@api.route("POST /v1/datasets/{dataset}/exports", Scope.TRAIN, status=202)
def create_export(dataset: Name) -> ExportView:
    """Freeze the dataset as it is now; poll the answer's id."""
    tenant, now = api.tenant, utc_now()
    current = app.datasets.get(tenant, dataset)
    if not current.revision:
        raise Conflict(f"Dataset {dataset} has no examples yet.", code="empty_dataset")
    identity = export_id(tenant, dataset, current.revision)
    if found := app.exports.find(tenant, dataset, identity):
        return ExportView.model_validate(found.model_dump())
    event = DatasetSettled(tenant=tenant, dataset=dataset, revision=current.revision)
    app.datasets.save(current.announced(now), event=event, now=now)
    return ExportView(id=identity, dataset=dataset, revision=current.revision, status="freezing")


@api.route("GET /v1/datasets/{dataset}/exports", Scope.READ)
def list_exports(dataset: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[ExportView]:
    """A dataset's exports, newest first."""
    app.datasets.get(api.tenant, dataset)
    return listed(app.exports.page(api.tenant, dataset, limit, cursor), ExportView)


@api.route("GET /v1/datasets/{dataset}/exports/{export}", Scope.READ)
def get_export(dataset: Name, export: Name) -> ExportView:
    """An export with its download links."""
    if found := app.exports.find(api.tenant, dataset, export):
        return _with_links(found, app.objects)
    current = app.datasets.get(api.tenant, dataset)
    lately = range(current.revision, max(0, current.revision - REVISIONS_KNOWN), -1)
    for revision in (*lately, current.settled_revision):
        if export == export_id(api.tenant, dataset, revision):
            return ExportView(id=export, dataset=dataset, revision=revision, status="freezing")
    raise NotFound(f"Dataset {dataset} has no export {export}.", param="export")


def _with_links(export: Export, objects: Objects) -> ExportView:
    view = ExportView.model_validate(export.model_dump())
    for split, file in export.files.items():
        view.files[split].url = objects.link(file.key)
    return view
