"""The review routes: find examples, read one, decide on some or on all that match, count, and say if they suffice."""

from typing import Any, cast

from review_examples.edits import read_edit
from review_examples.get_example import read_one
from review_examples.list_examples import find_examples
from review_examples.review import Reviewing, Wish
from review_examples.review_matching import review_matching
from review_examples.views import (
    Change,
    ExampleChange,
    ExampleHistory,
    ExamplePath,
    ExamplesPage,
    ExampleView,
    NameFilter,
    NewReviews,
    PreferenceFilter,
    QualityFilter,
    Refusal,
    Reviewed,
    SplitFilter,
    StatusFilter,
    TextFilter,
    example_fields,
)
from tuneloop.api.router import Api, Cursor, Limit, Name
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import NotFound, Stale
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
    wanted = ExampleFilter(
        status=status,
        category=category,
        source=source,
        split=split,
        preference=preference,
        min_quality=min_quality,
        max_quality=max_quality,
        text=text,
    )
    stores: Any = {"datasets": app.datasets, "contents": app.contents}
    page = find_examples(api.tenant, dataset, wanted, limit, cursor, **stores, check=app.require_time)
    views = [ExampleView(**example_fields(hit.stored, hit.decision)) for hit in page.data]
    return ExamplesPage(data=views, next_cursor=page.cursor, total=page.total, revision=page.revision)


@api.route("GET /v1/datasets/{dataset}/examples/{example}", Scope.READ)
def get_example(dataset: Name, example: ExamplePath) -> ExampleHistory:
    """One example with the decisions on it, and the exports, runs and versions that it went into."""
    return read_one(
        api.tenant,
        dataset,
        example,
        datasets=app.datasets,
        contents=app.contents,
        reviews=app.reviews,
        exports=app.exports,
        membership=app.membership,
        runs=app.runs,
        votes=app.votes,
    )


@api.route("POST /v1/datasets/{dataset}/reviews", Scope.COLLECT)
def review_examples(dataset: Name, new: NewReviews) -> Reviewed:
    """Approve, reject, edit, re-score, re-categorise examples by id, or all that match a filter.

    Each decision names the version that its reviewer saw; one that is out of date is refused and the others are taken,
    and a call of one decision answers with its refusal (409, 404). Sent twice it counts once. Where many match, the
    answer has `next`: send the same again with it as `after`.
    """
    reviewing = Reviewing(
        api.tenant,
        dataset,
        new.reviewer or api.caller.id,
        utc_now(),
        datasets=app.datasets,
        contents=app.contents,
        reviews=app.reviews,
    )
    following = None
    if new.reviews is not None:
        app.datasets.get(api.tenant, dataset)
        reviewing.decide([_wish(each, place) for place, each in enumerate(new.reviews)])
        if len(new.reviews) == len(reviewing.refused) == 1:
            raise _refusal(reviewing.refused[0])
    else:
        following = _review_matching(dataset, new, reviewing)
    return Reviewed(revision=reviewing.revision, changed=reviewing.changed, refused=reviewing.refused, next=following)


@api.route("GET /v1/datasets/{dataset}/statistics", Scope.READ)
def get_statistics(dataset: Name) -> Statistics:
    """What the dataset holds, in figures; counted once for each of its revisions, and once more when it is frozen."""
    return app.example_counts.of(app.datasets.get(api.tenant, dataset), app.require_time)


@api.route("GET /v1/datasets/{dataset}/eligibility", Scope.READ)
def get_eligibility(dataset: Name, category: NameFilter = None) -> Eligibility:
    """Whether the dataset, or one of its categories, has examples enough to train on, and what to do next."""
    found = app.datasets.get(api.tenant, dataset)
    policy, counted = found.policy_at(found.revision), app.example_counts.of(found, app.require_time)
    return eligibility(counted, policy, found.required_examples, found.required_per_category, category)


def _review_matching(dataset: str, new: NewReviews, reviewing: Reviewing) -> str | None:
    return review_matching(
        api.tenant,
        dataset,
        new.matching or ExampleFilter(),
        cast("Change", new.change),  # which stands beside `matching`, or it is refused
        new.revision or 0,
        new.after or "",
        reviewing=reviewing,
        datasets=app.datasets,
        contents=app.contents,
        remaining_s=lambda: app.remaining_s,
        check=app.require_time,
    )


def _wish(change: ExampleChange, place: int) -> Wish:
    edit = None if change.content is None else read_edit(change.content, f"reviews[{place}].content")
    decided = change.model_dump(exclude={"example", "version", "content"})
    return Wish(change.example, change.version, edit=edit, **decided)


def _refusal(refused: Refusal) -> NotFound | Stale:
    kind = NotFound if refused.code == NotFound.code else Stale
    return kind(refused.message, param="reviews[0]")
