"""The routes of exports (make, list, read with download links) and of estimates of what training would cost."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from export_data.convert import ConvertExport
from export_data.estimate import EstimateRequest, EstimateTraining
from export_data.views import DatasetEstimate, ExportView
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name, list_of
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import Conflict, NotFound
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.limits import ESTIMATED_CALLS, ESTIMATED_EXAMPLES
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.exports.conversions import OWN_FORMAT, Conversion, Format
from tuneloop.domain.exports.exports import export_id

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
# How many of the latest revisions are tried to recognise an export that isn't frozen yet. An export's id is a hash that
# its revision goes into, so each revision takes a hash to tell an export that is being frozen from an unknown id.
REVISIONS_TRIED = 300


@api.route("POST /v1/datasets/{dataset}/exports", Scope.TRAIN, status=202)
def create_export(dataset: Name) -> ExportView:
    """Freeze the dataset as it is now; poll the answer's id."""
    tenant, now = api.tenant, utc_now()
    current = app.datasets.get(tenant, dataset)
    if not current.revision:
        raise Conflict(f"Dataset {dataset} has no examples yet.", code="empty_dataset")
    identity = export_id(tenant, dataset, current.revision, current.policy_at(current.revision))
    if existing := app.exports.find(tenant, dataset, identity):
        return ExportView.of(existing)
    event = DatasetSettled(tenant=tenant, dataset=dataset, revision=current.revision)
    without_failure = current.with_announcement(now).model_copy(update={"export_failure": None})
    app.datasets.save(without_failure, event=event, now=now)
    return ExportView.unfrozen(without_failure, identity, current.revision)


@api.route("GET /v1/datasets/{dataset}/exports", Scope.READ)
def list_exports(dataset: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[ExportView]:
    """A dataset's exports, newest first."""
    app.datasets.get(api.tenant, dataset)
    return list_of(app.exports.page(api.tenant, dataset, limit, cursor), ExportView.of)


@api.route("GET /v1/datasets/{dataset}/exports/{export}", Scope.READ)
def get_export(dataset: Name, export: Name, form: WantedFormat = None, category: Category = None) -> ExportView:
    """An export with its download links, in another format or of one category if asked."""
    if existing := app.exports.find(api.tenant, dataset, export):
        own = OWN_FORMAT[existing.kind]
        if category is None and form in (None, own):
            return ExportView.of(existing).add_links(existing, existing.files, app.objects)
        conversion = Conversion(form or own)
        files = ConvertExport(app.contents, app.membership, app.objects).convert(existing, conversion, category)
        return ExportView.of(existing).replace_files(existing, conversion, category, files, app.objects)
    current = app.datasets.get(api.tenant, dataset)
    latest = range(current.revision, max(0, current.revision - REVISIONS_TRIED), -1)
    for revision in (*latest, current.settled_revision):
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
    use_case = EstimateTraining(
        app.datasets,
        app.exports,
        app.example_counts,
        app.known_providers.names,
        app.settings.provider,
        app.require_time,
    )
    request = EstimateRequest(examples, average_tokens, n_epochs or epochs, calls, provider, base_model)
    return use_case.estimate(api.tenant, dataset, request)
