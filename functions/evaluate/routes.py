"""The evaluation routes: ask for one, list them, read one."""

from pydantic import BaseModel, ConfigDict

from evaluate.request import request_evaluation
from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.evaluation import EvaluationView
from tuneloop.domain.ids import Name as Id
from tuneloop.domain.registry import VersionNumber
from tuneloop.http import Api, Cursor, Limit, ListOf, Name, listed

api = Api(app)


class NewEvaluation(BaseModel):
    """A version to compare with what serves today; its own export's test rows unless another export is named."""

    model_config = ConfigDict(extra="forbid")

    model: Id
    version: VersionNumber
    dataset: Id | None = None
    export: Id | None = None


@api.route("POST /v1/evaluations", Scope.TRAIN, status=202)
def create_evaluation(new: NewEvaluation) -> EvaluationView:
    """Compare a version with the stable one on held-out examples; poll the answer's id.

    On a dataset that doesn't feed the model it is a report only: activating the version then takes the scope `deploy`.
    Asking again gives the same evaluation, or another attempt at it where it ended in an `error`.
    """
    version = app.models.version(api.tenant, new.model, new.version)
    dataset, export = new.dataset or version.dataset, new.export or version.export
    if dataset is None or export is None:
        raise InvalidInput("This version has no export of its own: name a `dataset` and its `export`.", param="export")
    evaluation = request_evaluation(
        version,
        app.models.deployment(api.tenant, new.model).stable,
        app.exports.get(api.tenant, dataset, export),
        evaluations=app.evaluations,
        now=utc_now(),
        again=True,
    )
    return EvaluationView.model_validate(evaluation.model_dump())


@api.route("GET /v1/evaluations", Scope.READ)
def list_evaluations(limit: Limit = 20, cursor: Cursor = None) -> ListOf[EvaluationView]:
    """The tenant's evaluations, newest first."""
    return listed(app.evaluations.page(api.tenant, limit, cursor), EvaluationView)


@api.route("GET /v1/evaluations/{evaluation}", Scope.READ)
def get_evaluation(evaluation: Name) -> EvaluationView:
    """An evaluation with its figures and verdict."""
    return EvaluationView.model_validate(app.evaluations.get(api.tenant, evaluation).model_dump())
