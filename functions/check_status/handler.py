"""check-status: every five minutes, and whenever somebody looks."""

from check_status.host import host_open
from check_status.job_routes import api
from check_status.sweep import sweep
from tuneloop.app import app, utc_now
from tuneloop.sweeping import each
from tuneloop.triggers import Function

handler = Function("check-status", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Ask the providers about all open runs, then take their versions a step towards being served."""
    each((_look_at_runs, _host_versions), lambda work: work())


def _look_at_runs() -> None:
    sweep(providers=app.providers, runs=app.runs, models=app.models, exports=app.exports, now=utc_now())


def _host_versions() -> None:
    host_open(stage=app.settings.stage, providers=app.providers, models=app.models, now=utc_now())
