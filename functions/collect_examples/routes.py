"""The datasets routes: create, list, get and change datasets; post examples, upload files, and follow their drops."""

from collect_examples.datasets import ConfigureDataset, EnsureDataset
from collect_examples.posts import PostExamples
from collect_examples.presign_upload import presign_upload
from collect_examples.views import DatasetView, DropView, NewDataset, NewExamples, NewUpload, UploadView
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name, list_view, view
from tuneloop.app import app, new_nonce, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.datasets.datasets import DatasetChange, OnDrop

api = Api(app)


@api.route("POST /v1/datasets", Scope.COLLECT, status=201)
def create_dataset(new: NewDataset) -> DatasetView:
    """Create a dataset and the model of its name; Conflict if the dataset exists with other settings.

    Settings that can cost money (`max_run_usd`, `provider`, `base_model`, `on_drop: train`, `train_on_review`) also
    need the scope `train`.
    """
    _require_to_spend(new)
    return view(DatasetView, _configure().create(api.tenant, new, utc_now()))


@api.route("GET /v1/datasets", Scope.READ)
def list_datasets(limit: Limit = 20, cursor: Cursor = None) -> ListOf[DatasetView]:
    """The tenant's datasets by name, without those of uploaded files, which `GET /v1/files` lists."""
    return list_view(app.datasets.page(api.tenant, limit, cursor), DatasetView)


@api.route("GET /v1/datasets/{dataset}", Scope.READ)
def get_dataset(dataset: Name) -> DatasetView:
    """A dataset's settings, its revision, and the revision that was exported last."""
    return view(DatasetView, app.datasets.get(api.tenant, dataset))


@api.route("PATCH /v1/datasets/{dataset}", Scope.COLLECT)
def change_dataset(dataset: Name, change: DatasetChange) -> DatasetView:
    """Change a dataset's settings; a raised `max_run_usd` applies to future runs, a waiting run must be confirmed.

    Another template becomes the next version, through which later examples are rendered. Another provider or base model
    whose training costs money sets `on_drop` to `collect`, unless the call sets `on_drop` too.
    Settings that can cost money (`max_run_usd`, `provider`, `base_model`, `on_drop: train`, `train_on_review`) also
    need the scope `train`.
    """
    _require_to_spend(change)
    return view(DatasetView, _configure().change(api.tenant, dataset, change, utc_now()))


@api.route("GET /v1/datasets/{dataset}/drops", Scope.READ)
def list_drops(dataset: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[DropView]:
    """A dataset's drops and posts, newest first, with the lines that can't be used."""
    app.datasets.get(api.tenant, dataset)
    return list_view(app.datasets.drops(api.tenant, dataset, limit, cursor), DropView)


@api.route("GET /v1/datasets/{dataset}/drops/{drop}", Scope.READ)
def get_drop(dataset: Name, drop: Name) -> DropView:
    """A drop or post: its status, counts, and the lines that can't be used."""
    return view(DropView, app.datasets.drop(api.tenant, dataset, drop))


@api.route("POST /v1/datasets/{dataset}/examples", Scope.COLLECT, status=202)
def post_examples(dataset: Name, new: NewExamples) -> DropView:
    """Post up to 500 examples; they are collected after the answer: poll the drop with the answer's id."""
    now = utc_now()
    target = ensure_dataset().ensure(api.tenant, NewDataset(id=dataset), now)
    drop = PostExamples(app.datasets, app.posts).post(target, new.examples, now)
    return view(DropView, drop)


@api.route("POST /v1/datasets/{dataset}/uploads", Scope.COLLECT, status=201)
def create_upload(dataset: Name, new: NewUpload) -> UploadView:
    """Create a form to upload one file of up to 1 GiB; the file then appears among the dataset's drops."""
    app.datasets.get(api.tenant, dataset)
    return presign_upload(api.tenant, dataset, new, nonce=new_nonce(), objects=app.objects, now=utc_now())


def ensure_dataset() -> EnsureDataset:
    """The use case that makes datasets, with this stage's defaults."""
    return EnsureDataset(app.datasets, app.models, app.settings.provider, app.settings.base_model)


def _configure() -> ConfigureDataset:
    return ConfigureDataset(app.datasets, app.known_providers, ensure_dataset())


def _require_to_spend(change: DatasetChange) -> None:
    """Raise Forbidden if a change can cost money and the caller's key lacks the scope `train`."""
    trains = change.on_drop == OnDrop.TRAIN or change.train_on_review
    if trains or change.max_run_usd is not None or change.base_model or change.provider:
        api.caller.require(Scope.TRAIN)
