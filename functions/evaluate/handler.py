"""evaluate: versions that are ready, and evaluations that have rows left to ask."""

from evaluate.overlap import OverlapSearch
from evaluate.request import request_evaluation
from evaluate.routes import api
from evaluate.run import EvaluationRunner
from tuneloop.app import app, utc_now
from tuneloop.domain.evaluation.evaluations import Intent
from tuneloop.domain.events import EvaluationRequested, VersionReady
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("evaluate", api)


@handler.on("VersionReady")
def on_version(event: VersionReady) -> None:
    """Compare a version that came out of a run, or has to be proved anew, with what serves today."""
    if event.dataset is None or event.export is None:
        return  # registered by hand: nothing of ours says what to compare it on
    version = app.models.version(event.tenant, event.model, event.version)
    stable = app.models.deployment(event.tenant, event.model).stable
    if stable != version.number:
        request_evaluation(
            version,
            stable,
            app.exports.get(event.tenant, event.dataset, event.export),
            intent=Intent.PROMOTE,
            evaluations=app.evaluations,
            models=app.models,
            now=utc_now(),
            late=event.late,
        )


@handler.on("EvaluationRequested")
def on_requested(event: EvaluationRequested) -> None:
    """Ask as many rows as there is time for."""
    _work(event.tenant, event.evaluation)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Take up evaluations whose worker died or whose provider was away."""
    for_each(list(app.evaluations.open()), lambda evaluation: _work(evaluation.tenant, evaluation.id))


def _work(tenant: str, evaluation: str) -> None:
    EvaluationRunner(
        evaluation=app.evaluations.get(tenant, evaluation),
        evaluations=app.evaluations,
        exports=app.exports,
        models=app.models,
        objects=app.objects,
        providers=app.providers,
        overlap=OverlapSearch(app.models, app.runs, app.exports, app.contents, app.membership, app.objects),
        owner=handler.owner,
        clock=utc_now,
        remaining_s=lambda: handler.remaining_s,
    ).run()
