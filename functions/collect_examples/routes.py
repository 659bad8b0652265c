"""The datasets routes: create, list, read, change; post examples and look at what became of them."""

from collect_examples.collect import collect
from collect_examples.post import post
from collect_examples.register import register
from collect_examples.settle import remind
from collect_examples.shapes import DatasetView, DropView, NewDataset, NewExamples
from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.datasets import Dataset, DatasetChange
from tuneloop.domain.errors import Conflict
from tuneloop.http import Api, Cursor, Limit, ListOf, Name, listed

api = Api(app)


@api.route("POST /v1/datasets", Scope.COLLECT, status=201)
def create_dataset(new: NewDataset) -> DatasetView:
    """Create a dataset and the model of its name; Conflict where there is one with other settings."""
    made = registered(api.tenant, new.id, new)
    wanted = new.model_dump(exclude={"id"}, exclude_none=True)
    if differing := [name for name, value in wanted.items() if getattr(made, name) != value]:
        raise Conflict(f"Dataset {new.id} exists with another {differing[0]}; PATCH it to change that.", param="id")
    return _view(made)


@api.route("GET /v1/datasets", Scope.READ)
def list_datasets(limit: Limit = 20, cursor: Cursor = None) -> ListOf[DatasetView]:
    """The tenant's datasets by name."""
    return listed(app.datasets.page(api.tenant, limit, cursor), DatasetView)


@api.route("GET /v1/datasets/{dataset}", Scope.READ)
def get_dataset(dataset: Name) -> DatasetView:
    """A dataset's settings and how far its changes came."""
    return _view(app.datasets.get(api.tenant, dataset))


@api.route("PATCH /v1/datasets/{dataset}", Scope.COLLECT)
def change_dataset(dataset: Name, change: DatasetChange) -> DatasetView:
    """Change a dataset's settings."""
    changed = app.datasets.get(api.tenant, dataset).model_copy(update=change.model_dump(exclude_none=True))
    app.datasets.save(changed)
    return _view(changed)


@api.route("GET /v1/datasets/{dataset}/drops", Scope.READ)
def list_drops(dataset: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[DropView]:
    """A dataset's drops and posted collections, newest first, with the lines that can't be used."""
    app.datasets.get(api.tenant, dataset)
    return listed(app.datasets.drops(api.tenant, dataset, limit, cursor), DropView)


@api.route("POST /v1/datasets/{dataset}/examples", Scope.COLLECT, status=202)
def post_examples(dataset: Name, new: NewExamples) -> DropView:
    """Take up to 500 examples; what became of them stands among the dataset's drops under the answer's id."""
    target = registered(api.tenant, dataset)
    drop, rest = post(target, new.examples, datasets=app.datasets, queue=app.examples_queue, now=utc_now())
    if rest:
        drop = collect(drop, rest, None, datasets=app.datasets, objects=app.objects, clock=utc_now)
        remind(app.datasets.get(*drop.place), settle_s=app.settings.settle_s, queue=app.examples_queue)
    return DropView.model_validate(drop.model_dump())


def registered(tenant: str, name: str, new: NewDataset | None = None) -> Dataset:
    """The dataset of that name, made with this stage's defaults if there is none yet."""
    wishes = new or NewDataset(id=name)
    settings = app.settings
    return register(
        tenant,
        wishes,
        provider=settings.provider,
        base_model=wishes.base_model or settings.base_model,
        datasets=app.datasets,
        models=app.models,
        now=utc_now(),
    )


def _view(dataset: Dataset) -> DatasetView:
    return DatasetView.model_validate(dataset.model_dump())
