"""check-status: every five minutes, and whenever somebody looks."""

from check_status.routes import api
from check_status.sweep import sweep
from tuneloop.app import app, utc_now
from tuneloop.triggers import Function

handler = Function("check-status", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Ask the provider about all open runs."""
    sweep(providers=app.providers, runs=app.runs, models=app.models, exports=app.exports, now=utc_now())
