"""The evaluation routes: ask for one, list them, read one."""

from pydantic import BaseModel, ConfigDict, StrictBool

from evaluate.request import ComparisonRequest, RequestComparison
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name, RetryCount, list_view, view
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.ids import Name as Id
from tuneloop.domain.evaluation.evaluations import EvaluationView, Intent
from tuneloop.domain.serving.models import VersionNumber
from tuneloop.domain.training.repeated_calls import retries_in

api = Api(app)


class NewEvaluation(BaseModel):
    """Two versions of a model to compare, on the test rows of an export.

    `against` is what serves now unless another version is named; the version that serves is compared with the one that
    served before it, else with the base model (0). The rows are those of the version's own export, else of the other
    version's own. With `promote` the verdict also decides: a version that proves better is activated.
    """

    model_config = ConfigDict(extra="forbid")

    model: Id
    version: VersionNumber
    against: VersionNumber | None = None
    dataset: Id | None = None
    export: Id | None = None
    promote: StrictBool = False  # strict: no text or number may pass for a yes to what may change which version answers


@api.route("POST /v1/evaluations", Scope.TRAIN, status=202)
def create_evaluation(new: NewEvaluation, retry_count: RetryCount = None) -> EvaluationView:
    """Compare two versions on held-out examples and report; poll the answer's id. A report decides nothing.

    `promote: true` takes the scope `deploy` too, and a comparison with what serves now, on the model's own dataset: a
    version that proves better is then activated. Asking again gives the same evaluation, raised to `promote` if that is
    asked for, or another attempt at it where it ended in an `error`, or where an older release, which didn't look for
    test rows seen in training, promoted by it; a call that an SDK repeats makes none.
    """
    if new.promote:
        api.caller.require(Scope.DEPLOY)
    intent = Intent.PROMOTE if new.promote else Intent.REPORT
    comparison = ComparisonRequest(new.model, new.version, new.against, new.dataset, new.export, intent)
    use_case = RequestComparison(app.models, app.evaluations, app.exports, app.datasets)
    is_first_try = not retries_in(retry_count)
    return view(EvaluationView, use_case.request(api.tenant, comparison, again=is_first_try, now=utc_now()))


@api.route("GET /v1/evaluations", Scope.READ)
def list_evaluations(limit: Limit = 20, cursor: Cursor = None) -> ListOf[EvaluationView]:
    """The tenant's evaluations, newest first."""
    return list_view(app.evaluations.page(api.tenant, limit, cursor), EvaluationView)


@api.route("GET /v1/evaluations/{evaluation}", Scope.READ)
def get_evaluation(evaluation: Name) -> EvaluationView:
    """An evaluation with its figures and verdict."""
    return view(EvaluationView, app.evaluations.get(api.tenant, evaluation))
