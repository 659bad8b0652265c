"""The review routes: list examples, read one, decide on some or all that match, count them, check if they suffice."""

from review_examples.get_example import GetExample
from review_examples.list_examples import ListExamples
from review_examples.review import ReviewExamples
from review_examples.views import (
    ExampleHistory,
    ExamplePath,
    ExamplesPage,
    ExampleView,
    NameFilter,
    NewReviews,
    PreferenceFilter,
    QualityFilter,
    Reviewed,
    SplitFilter,
    StatusFilter,
    TextFilter,
    example_fields,
)
from tuneloop.api.router import Api, Cursor, Limit, Name
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.domain.exports.example_counts import Statistics
from tuneloop.domain.training.eligibility import Eligibility, eligibility

api = Api(app)


@api.route("GET /v1/datasets/{dataset}/examples", Scope.READ)
def list_examples(
    dataset: Name,
    status: StatusFilter = None,
    category: NameFilter = None,
    source: NameFilter = None,
    split: SplitFilter = None,
    preference: PreferenceFilter = None,
    min_quality: QualityFilter = None,
    max_quality: QualityFilter = None,
    text: TextFilter = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ExamplesPage:
    """The examples that match every filter given, newest first; later pages show the dataset as the first one did."""
    example_filter = ExampleFilter(
        status=status,
        category=category,
        source=source,
        split=split,
        preference=preference,
        min_quality=min_quality,
        max_quality=max_quality,
        text=text,
    )
    listing = ListExamples(app.datasets, app.contents, app.require_time)
    page = listing.page(api.tenant, dataset, example_filter, limit, cursor)
    views = [ExampleView(**example_fields(hit.stored, hit.decision)) for hit in page.data]
    return ExamplesPage(data=views, next_cursor=page.cursor, total=page.total, revision=page.revision)


@api.route("GET /v1/datasets/{dataset}/examples/{example}", Scope.READ)
def get_example(dataset: Name, example: ExamplePath) -> ExampleHistory:
    """One example with the decisions on it, and the exports, runs and versions that used it."""
    stores = app.datasets, app.contents, app.reviews, app.exports, app.membership, app.runs, app.votes
    return GetExample(*stores).get(api.tenant, dataset, example)


@api.route("POST /v1/datasets/{dataset}/reviews", Scope.COLLECT)
def review_examples(dataset: Name, new: NewReviews) -> Reviewed:
    """Approve, reject, edit, re-score, re-categorise examples by id, or all that match a filter.

    Each decision names the version that its reviewer saw; one that is out of date is refused and the others are taken,
    and a call of one decision answers with its refusal (409, 404). Sent twice it counts once. Where many match, the
    answer has `next`: send the same again with it as `after`.
    """
    stores = app.datasets, app.contents, app.reviews
    review = ReviewExamples(*stores, remaining_s=lambda: app.remaining_s, check=app.require_time)
    return review.review(api.tenant, dataset, new, new.reviewer or api.caller.id, utc_now())


@api.route("GET /v1/datasets/{dataset}/statistics", Scope.READ)
def get_statistics(dataset: Name) -> Statistics:
    """The dataset's figures, counted once for each of its revisions, and once more when it is frozen."""
    return app.example_counts.of(app.datasets.get(api.tenant, dataset), app.require_time)


@api.route("GET /v1/datasets/{dataset}/eligibility", Scope.READ)
def get_eligibility(dataset: Name, category: NameFilter = None) -> Eligibility:
    """Whether the dataset, or one of its categories, has enough examples to train on, and the next step."""
    stored = app.datasets.get(api.tenant, dataset)
    policy, counts = stored.policy_at(stored.revision), app.example_counts.of(stored, app.require_time)
    return eligibility(counts, policy, stored.required_examples, stored.required_per_category, category)
