"""check-status: what the provider says of a run is fetched, by the clock and when somebody looks."""

from base64 import b64encode
from decimal import Decimal

from infra.stage import LOCAL
from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.domain.serving.verification import with_verification
from tuneloop.domain.training.providers import webhook_parameter
from tuneloop.domain.training.runs import ControlledRun, RunStatus

CHECK = "check-status"
KEY = b"thirty-two bytes of a secret key"


def running(stage: Stage) -> ControlledRun:
    """A run whose job has ended at the provider, which nobody has looked at yet."""
    held = {"reserved_usd": Decimal(1), "reserved_month": "2026-11"}
    return state.run(stage, status=RunStatus.RUNNING, provider_job_id=stage.trained["provider_job_id"], **held)


@scene(CHECK, "GET /v1/training-runs/{run}")
def a_run_is_read(stage: Stage) -> None:
    run = running(stage)

    seen = stage.call(f"GET /v1/training-runs/{run.id}")

    assert (seen["status"], seen["version"], seen["waiting_for"]) == ("succeeded", 1, None)
    assert stage.runs.get(stage.tenant, run.id).status == "succeeded"


@scene(CHECK, "GET /v1/training-runs/{run}/events")
def a_run_s_events_are_read(stage: Stage) -> None:
    run = running(stage)

    assert stage.call(f"GET /v1/training-runs/{run.id}/events")["data"]


@scene(CHECK, "every-5-minutes")
def a_run_that_has_ended_makes_its_version(stage: Stage) -> None:
    run = running(stage)

    stage.wake("check_status.every-5-minutes")

    assert stage.runs.get(stage.tenant, run.id).status == "succeeded"
    assert stage.models.version(stage.tenant, "support", 1)


@scene(CHECK, "VersionVerificationRequested")
def a_version_that_was_registered_by_hand_is_verified(stage: Stage) -> None:
    state.model(stage)
    base = stage.models.version(stage.tenant, "support", 0)
    named = base.model_copy(update={"number": 1, "seq": 0, "provider_model": stage.trained["fine_tuned_model"]})
    model = stage.models.get(stage.tenant, "support")
    stage.models.add_version(model, with_verification(named, utc_now()), state.long_ago())

    stage.wake("check_status.VersionVerificationRequested", tenant=stage.tenant, model="support", version=1)

    assert stage.models.version(stage.tenant, "support", 1).status == "ready"


@scene(CHECK, "GET /v1/fine_tuning/jobs/{job}")
def a_job_is_read(stage: Stage) -> None:
    run = running(stage)

    seen = stage.call(f"GET /v1/fine_tuning/jobs/{run.id}")

    assert (seen["status"], seen["fine_tuned_model"]) == ("succeeded", "support:1")


@scene(CHECK, "GET /v1/fine_tuning/jobs/{job}/events")
def a_job_s_events_are_read(stage: Stage) -> None:
    run = running(stage)

    assert len(stage.call(f"GET /v1/fine_tuning/jobs/{run.id}/events")["data"]) > 1


@scene(CHECK, "GET /v1/fine_tuning/jobs/{job}/checkpoints")
def a_job_s_checkpoints_are_read(stage: Stage) -> None:
    run = running(stage)

    assert stage.call(f"GET /v1/fine_tuning/jobs/{run.id}/checkpoints")["data"]


@scene(CHECK, "daily")
def a_lost_run_is_looked_for(stage: Stage) -> None:
    stage.wake("check_status.daily")

    assert list(stage.runs.open()) == []  # what trained before belongs to a tenant that is gone


@scene(CHECK, "POST /v1/webhooks/{provider}")
def a_webhook_has_its_run_looked_at(stage: Stage) -> None:
    run = stage.runs.adopt(running(stage))
    name = webhook_parameter(LOCAL.name, LOCAL.provider)
    secret = f"whsec_{b64encode(KEY).decode()}"
    stage.stack.client("ssm").put_parameter(Name=name, Value=secret, Type="SecureString", Overwrite=True)
    body = {"type": "fine_tuning.job.succeeded", "data": {"id": run.provider_job_id}}

    answer = stage.signed(f"POST /v1/webhooks/{LOCAL.provider}", body, KEY)

    assert answer.status_code == 202, answer.text
    assert stage.runs.get(stage.tenant, run.id).status == "succeeded"
