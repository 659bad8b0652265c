"""The accounting routes: the usage report, and feedback on answers."""

from datetime import date, timedelta
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from record_usage.extracted_examples import extract_examples
from record_usage.feedback import inference_of, record_feedback
from record_usage.report import report
from record_usage.submit_examples import submit_examples
from tuneloop.api.router import Api
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.ids import Name as Id
from tuneloop.domain.serving.feedback import Feedback, require_objects
from tuneloop.domain.serving.usage import UsageRow

api = Api(app)

A_MONTH = timedelta(days=30)
LONGEST = timedelta(days=366)
ModelFilter = Annotated[str | None, Query(pattern=PATTERN, description="One model only.")]
Day = Annotated[date | None, Query(description="YYYY-MM-DD, UTC.")]


class UsageReport(BaseModel):
    """What was used from the first day to the last (both included), in US dollars and tokens."""

    first_day: date
    last_day: date
    data: list[UsageRow]


class FeedbackReceipt(BaseModel):
    """What became of feedback: the examples that it makes, once `drop` is collected, or the `reason` why it makes none.

    Whether they are trained on is said by the dataset's `trust`, else by a review.
    """

    inference_id: str
    model: Id
    version: int
    becomes_example: bool
    examples: list[str] = []
    drop: Id | None = None
    reason: str | None = None


@api.route("GET /v1/usage", Scope.READ)
def get_usage(
    model: ModelFilter = None, first_day: Day = None, last_day: Day = None, by: Literal["version", "day"] = "version"
) -> UsageReport:
    """Calls, tokens, dollars and feedback per version, in the last thirty days or in others (at most 367)."""
    end = last_day or utc_now().date()
    start = first_day or max(end, date.min + A_MONTH) - A_MONTH
    if not timedelta(0) <= end - start <= LONGEST:
        rule = f"`first_day` must be `last_day` or one of the {LONGEST.days} days before it."
        raise InvalidInput(rule, param="first_day")
    rows = report(api.tenant, model, start, end, by_day=by == "day", models=app.models, usage=app.usage)
    return UsageReport(first_day=start, last_day=end, data=rows)


@api.route("POST /v1/feedback", Scope.COLLECT, status=202)
def post_feedback(feedback: Feedback) -> FeedbackReceipt:
    """Rate, confirm or correct an answer by its id; with `messages` (and `answer`) it becomes an example."""
    tenant, now = api.tenant, utc_now()
    require_objects(feedback)
    inference = inference_of(tenant, feedback, models=app.models)
    studied = extract_examples(tenant, feedback, inference, datasets=app.datasets, exports=app.exports)
    record_feedback(tenant, feedback, inference, usage=app.usage, now=now)
    learnt = submit_examples(
        tenant,
        studied,
        inference,
        datasets=app.datasets,
        votes=app.votes,
        objects=app.objects,
        queue=app.examples_queue,
        now=now,
    )
    return FeedbackReceipt(
        inference_id=feedback.inference_id,
        model=inference.model,
        version=inference.version,
        becomes_example=bool(learnt.examples),
        **learnt._asdict(),
    )
