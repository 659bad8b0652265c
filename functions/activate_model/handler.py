"""activate-model: applies the gate's verdicts to deployments, and takes people's decisions by its routes."""

from activate_model.activate import ApplyVerdict
from activate_model.routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import EvaluationCompleted
from tuneloop.observability import count
from tuneloop.runtime.entry_point import Function

handler = Function("activate-model", api)


@handler.on("EvaluationCompleted")
def on_verdict(event: EvaluationCompleted) -> None:
    """Activate the candidate if the gate let it through; counts `Promotions` or `Refusals`."""
    deployment = ApplyVerdict(app.models, app.evaluations, app.datasets).apply(event, utc_now())
    count("Promotions" if event.verdict.promote and deployment.stable == event.candidate else "Refusals")
