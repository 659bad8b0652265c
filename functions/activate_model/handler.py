"""activate-model: verdicts of the gate, and decisions by hand."""

from activate_model.activate import apply_verdict
from activate_model.routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import EvaluationCompleted
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("activate-model", api)


@handler.on("EvaluationCompleted")
def on_verdict(event: EvaluationCompleted) -> None:
    """Activate the candidate if the gate let it through."""
    models, evaluations, datasets = app.models, app.evaluations, app.datasets
    decided = apply_verdict(event, models=models, evaluations=evaluations, datasets=datasets, now=utc_now())
    count("Promotions" if event.verdict.promote and decided.stable == event.candidate else "Refusals")
