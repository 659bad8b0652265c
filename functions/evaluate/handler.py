"""evaluate: compares versions that are ready, and goes on with evaluations that have rows left to ask."""

from evaluate.ask import EvaluationObjects
from evaluate.overlap import OverlapSearch
from evaluate.request import RequestEvaluation
from evaluate.routes import api
from evaluate.run import RunEvaluation
from tuneloop.app import app, utc_now
from tuneloop.domain.evaluation.evaluations import Intent
from tuneloop.domain.events import EvaluationRequested, VersionReady
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("evaluate", api)


@handler.on("VersionReady")
def on_version(event: VersionReady) -> None:
    """Evaluate a version that a run made, or that has to be proved anew, against the version that serves now."""
    if event.dataset is None or event.export is None:
        return  # registered by hand: there is no export to compare it on
    version = app.models.version(event.tenant, event.model, event.version)
    stable = app.models.deployment(event.tenant, event.model).stable
    if stable != version.number:
        export = app.exports.get(event.tenant, event.dataset, event.export)
        use_case = RequestEvaluation(app.evaluations, app.models)
        use_case.request(version, stable, export, intent=Intent.PROMOTE, now=utc_now(), late=event.late)


@handler.on("EvaluationRequested")
def on_requested(event: EvaluationRequested) -> None:
    """Ask as many of the evaluation's rows as this invocation has time for."""
    _run(event.tenant, event.evaluation)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Go on with evaluations whose worker died or whose provider was unavailable."""
    for_each(list(app.evaluations.open()), lambda evaluation: _run(evaluation.tenant, evaluation.id))


def _run(tenant: str, evaluation: str) -> None:
    RunEvaluation(
        evaluations=app.evaluations,
        exports=app.exports,
        models=app.models,
        objects=EvaluationObjects(app.objects),
        providers=app.providers,
        overlap=OverlapSearch(app.models, app.runs, app.exports, app.fingerprint_backfill, app.objects),
        owner=handler.owner,
        clock=utc_now,
        remaining_s=lambda: handler.remaining_s,
    ).run(tenant, evaluation)
