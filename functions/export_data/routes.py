"""The exports routes: ask for one, list them, read one with its download links, and what it would cost to train on."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from export_data.convert import convert
from export_data.estimate import (
    Known,
    Shown,
    basis_of,
    basis_of_count,
    estimates,
    known_of_export,
    known_of_statistics,
    newest_export,
    places_wanted,
    shown_in_export,
    shown_in_segments,
)
from export_data.views import DatasetEstimate, ExportView
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import Conflict, NotFound
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.limits import ESTIMATED_CALLS, ESTIMATED_EXAMPLES
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.exports.conversions import OWN_FORMAT, Conversion, Format
from tuneloop.domain.exports.exports import Export, export_id

api = Api(app)

WantedFormat = Annotated[Format | None, Query(description="Convert the files to this format.", alias="format")]
Category = Annotated[str | None, Query(min_length=1, max_length=200, description="Only this category's examples.")]
Examples = Annotated[int | None, Query(ge=1, le=ESTIMATED_EXAMPLES, description="So many examples instead.")]
AverageTokens = Annotated[int | None, Query(ge=1, le=1_000_000, description="Tokens of one example.")]
Epochs = Annotated[int | None, Query(ge=1, le=50, description="Epochs that a run is to have, else the provider's.")]
OlderEpochs = Annotated[int | None, Query(ge=1, le=50, description="The older name of `n_epochs`.", deprecated=True)]
OfProvider = Annotated[str | None, Query(pattern=PATTERN, description="Another provider than the dataset's.")]
OfBaseModel = Annotated[str | None, Query(min_length=1, max_length=300, description="This base model alone.")]
Calls = Annotated[int | None, Query(ge=1, le=ESTIMATED_CALLS, description="Calls a month to what was trained.")]
REVISIONS_KNOWN = 300  # the latest ones, whose exports are told apart from those that nobody can have asked for


@api.route("POST /v1/datasets/{dataset}/exports", Scope.TRAIN, status=202)
def create_export(dataset: Name) -> ExportView:
    """Freeze the dataset as it is now; poll the answer's id."""
    tenant, now = api.tenant, utc_now()
    current = app.datasets.get(tenant, dataset)
    if not current.revision:
        raise Conflict(f"Dataset {dataset} has no examples yet.", code="empty_dataset")
    identity = export_id(tenant, dataset, current.revision, current.policy_at(current.revision))
    if found := app.exports.find(tenant, dataset, identity):
        return ExportView.of(found)
    event = DatasetSettled(tenant=tenant, dataset=dataset, revision=current.revision)
    tried_again = current.announced(now).model_copy(update={"export_failure": None})
    app.datasets.save(tried_again, event=event, now=now)
    return ExportView.unfrozen(tried_again, identity, current.revision)


@api.route("GET /v1/datasets/{dataset}/exports", Scope.READ)
def list_exports(dataset: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[ExportView]:
    """A dataset's exports, newest first."""
    app.datasets.get(api.tenant, dataset)
    page = app.exports.page(api.tenant, dataset, limit, cursor)
    return ListOf(data=[ExportView.of(export) for export in page.data], next_cursor=page.cursor)


@api.route("GET /v1/datasets/{dataset}/exports/{export}", Scope.READ)
def get_export(dataset: Name, export: Name, form: WantedFormat = None, category: Category = None) -> ExportView:
    """An export with its download links, in another format or of one category if asked."""
    if found := app.exports.find(api.tenant, dataset, export):
        own = OWN_FORMAT[found.kind]
        if category is None and form in (None, own):
            return ExportView.of(found).linked(found, found.files, app.objects)
        conversion = Conversion(form or own)
        files = convert(
            found, conversion, category, contents=app.contents, membership=app.membership, objects=app.objects
        )
        return ExportView.of(found).converted(found, conversion, category, files, app.objects)
    current = app.datasets.get(api.tenant, dataset)
    lately = range(current.revision, max(0, current.revision - REVISIONS_KNOWN), -1)
    for revision in (*lately, current.settled_revision):
        if export == export_id(api.tenant, dataset, revision, current.policy_at(revision)):
            return ExportView.unfrozen(current, export, revision)
    raise NotFound(f"Dataset {dataset} has no export {export}.", param="export")


@api.route("GET /v1/datasets/{dataset}/estimate", Scope.READ)
def get_estimate(
    dataset: Name,
    examples: Examples = None,
    average_tokens: AverageTokens = None,
    n_epochs: Epochs = None,
    epochs: OlderEpochs = None,
    calls: Calls = None,
    provider: OfProvider = None,
    base_model: OfBaseModel = None,
) -> DatasetEstimate:
    """What training on the dataset would cost, take and prove, by base model, and a month of calls afterwards."""
    current, known_names = app.datasets.get(api.tenant, dataset), app.known_providers.names()
    places = places_wanted(current, provider, base_model, default=app.settings.provider, known=known_names)
    policy, is_count = current.policy_at(current.revision), examples is not None and average_tokens is not None
    export = newest_export(current, exports=app.exports)
    known = None if is_count else known_of_export(export) if export else _counted(current, policy)
    is_asked = examples is not None or average_tokens is not None
    basis = (
        basis_of(export)
        if export and not is_asked
        else basis_of_count(known, _shown(current, export), policy, examples, average_tokens)
    )
    return DatasetEstimate(
        dataset=dataset,
        basis="count" if is_asked else "export" if export else "segments",
        export=export.id if export and not is_asked else None,
        revision=None if is_asked else export.revision if export else current.revision,
        current_revision=current.revision,
        reasons=known.reasons if known else [],
        notes=known.notes if known else [],
        provider=places[0].provider,
        estimates=estimates(basis, places, n_epochs=n_epochs or epochs, calls=calls),
    )


def _counted(dataset: Dataset, policy: Policy) -> Known | None:
    """What the dataset's filters take of it; None where it has no examples yet."""
    if not dataset.revision:
        return None
    return known_of_statistics(app.example_counts.of(dataset, app.require_time), policy)


def _shown(dataset: Dataset, export: Export | None) -> Shown:
    """The images of the newest export, or of what is stored before there is one."""
    if export:
        return shown_in_export(export)
    if not dataset.revision:
        return shown_in_segments([])
    return shown_in_segments(app.datasets.segments(dataset.tenant, dataset.id, dataset.revision))
