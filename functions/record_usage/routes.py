"""The usage routes: the usage report, and feedback on answers."""

from datetime import date, timedelta
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from record_usage.feedback import FeedbackReceipt, RecordFeedback
from record_usage.report import ReportUsage
from tuneloop.api.router import Api
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.serving.feedback import Feedback, require_objects
from tuneloop.domain.serving.usage import UsageRow

api = Api(app)

# The days that a report has unless a call names them.
DEFAULT_PERIOD = timedelta(days=30)
# The most days from the first day of a report to its last: a leap year. Each day is read as a row for every version and
# slot, so the limit bounds how much one answer reads.
LONGEST_PERIOD = timedelta(days=366)
ModelFilter = Annotated[str | None, Query(pattern=PATTERN, description="One model only.")]
Day = Annotated[date | None, Query(description="YYYY-MM-DD, UTC.")]


class UsageReport(BaseModel):
    """Usage from the first day to the last (both included), in US dollars and tokens."""

    first_day: date
    last_day: date
    data: list[UsageRow]


@api.route("GET /v1/usage", Scope.READ)
def get_usage(
    model: ModelFilter = None, first_day: Day = None, last_day: Day = None, by: Literal["version", "day"] = "version"
) -> UsageReport:
    """Calls, tokens, dollars and feedback per version, for the last thirty days or for up to 367 days that you name."""
    end = last_day or utc_now().date()
    start = first_day or max(end, date.min + DEFAULT_PERIOD) - DEFAULT_PERIOD
    if not timedelta(0) <= end - start <= LONGEST_PERIOD:
        rule = f"`first_day` must be `last_day` or one of the {LONGEST_PERIOD.days} days before it."
        raise InvalidInput(rule, param="first_day")
    rows = ReportUsage(app.models, app.usage).report(api.tenant, model, (start, end), by_day=by == "day")
    return UsageReport(first_day=start, last_day=end, data=rows)


@api.route("POST /v1/feedback", Scope.COLLECT, status=202)
def post_feedback(feedback: Feedback) -> FeedbackReceipt:
    """Rate, confirm or correct an answer by its id; with `messages` (and `answer`) it becomes an example."""
    require_objects(feedback)
    stores = (app.models, app.usage, app.datasets, app.exports, app.votes)
    return RecordFeedback(*stores, app.posts, app.examples_queue).record(api.tenant, feedback, utc_now())
