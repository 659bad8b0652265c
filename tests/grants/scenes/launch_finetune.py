"""launch-finetune: runs asked for, confirmed, and submitted, whatever it is that sets them in motion."""

from infra.stage import LOCAL
from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.domain.training.runs import RunStatus

LAUNCH = "launch-finetune"


@scene(LAUNCH, "POST /v1/training-runs")
def a_run_is_asked_for(stage: Stage) -> None:
    state.dataset(stage)

    run = stage.call("POST /v1/training-runs", {"dataset": "support"})

    assert stage.runs.find(stage.tenant, run["id"])


@scene(LAUNCH, "GET /v1/training-runs")
def runs_are_listed(stage: Stage) -> None:
    run = state.run(stage)

    assert [found["id"] for found in stage.call("GET /v1/training-runs")["data"]] == [run.id]


@scene(LAUNCH, "POST /v1/training-runs/{run}/confirm")
def a_run_is_confirmed(stage: Stage) -> None:
    run = state.run(stage, status=RunStatus.AWAITING_CONFIRMATION)

    stage.call(f"POST /v1/training-runs/{run.id}/confirm", {})

    assert stage.runs.get(stage.tenant, run.id).confirmed


@scene(LAUNCH, "DatasetSettled")
def a_settled_drop_leads_to_a_run(stage: Stage) -> None:
    state.wanted(stage)

    stage.wake("launch_finetune.DatasetSettled", tenant=stage.tenant, dataset="support", revision=1)

    assert len(stage.runs.page(stage.tenant, 10, None).data) == 1


@scene(LAUNCH, "ExportCreated")
def a_run_that_waited_for_its_export_is_submitted(stage: Stage) -> None:
    run = state.run(stage)
    named = {"tenant": stage.tenant, "dataset": run.dataset, "export": run.export, "revision": run.revision}

    stage.wake("launch_finetune.ExportCreated", **named)

    assert stage.runs.get(stage.tenant, run.id).provider_job_id


@scene(LAUNCH, "TrainingRunRequested")
def a_run_whose_export_is_there_is_submitted(stage: Stage) -> None:
    run = state.run(stage)

    stage.wake("launch_finetune.TrainingRunRequested", tenant=stage.tenant, run=run.id)

    assert stage.runs.get(stage.tenant, run.id).provider_job_id


@scene(LAUNCH, "every-5-minutes")
def a_run_that_was_left_behind_is_submitted(stage: Stage) -> None:
    run = state.run(stage)

    stage.wake("launch_finetune.every-5-minutes")

    assert stage.runs.get(stage.tenant, run.id).provider_job_id


@scene(LAUNCH, "monthly")
def what_changed_since_it_was_trained_on_is_retrained(stage: Stage) -> None:
    state.version(stage)

    stage.wake("launch_finetune.monthly")

    assert len(stage.runs.page(stage.tenant, 10, None).data) == 1


@scene(LAUNCH, "POST /v1/fine_tuning/jobs")
def a_job_of_openai_s_wire_is_asked_for(stage: Stage) -> None:
    state.dataset(stage)

    job = stage.call(
        "POST /v1/fine_tuning/jobs", {"model": LOCAL.base_model, "training_file": "support", "suffix": "b"}
    )

    assert stage.runs.get(stage.tenant, job["id"]).model == "b"
    assert stage.models.find(stage.tenant, "b")


@scene(LAUNCH, "GET /v1/fine_tuning/jobs")
def jobs_are_listed(stage: Stage) -> None:
    run = state.run(stage)

    assert [found["id"] for found in stage.call("GET /v1/fine_tuning/jobs")["data"]] == [run.id]


@scene(LAUNCH, "POST /v1/fine_tuning/jobs/{job}/cancel")
def a_job_is_cancelled(stage: Stage) -> None:
    run = state.run(stage)

    assert stage.call(f"POST /v1/fine_tuning/jobs/{run.id}/cancel")["status"] == "cancelled"


@scene(LAUNCH, "POST /v1/training-runs/{run}/cancel")
def a_run_is_cancelled(stage: Stage) -> None:
    run = state.run(stage, reserved_usd=1, reserved_month="2026-11")

    stage.call(f"POST /v1/training-runs/{run.id}/cancel", {})

    assert stage.runs.get(stage.tenant, run.id).status == RunStatus.CANCELLED


@scene(LAUNCH, "POST /v1/training-runs/{run}/retry")
def a_run_is_tried_again(stage: Stage) -> None:
    run = state.run(stage, status=RunStatus.CANCELLED)

    again = stage.call(f"POST /v1/training-runs/{run.id}/retry", {})

    assert stage.runs.find(stage.tenant, again["id"])


@scene(LAUNCH, "GET /v1/budget")
def a_budget_is_read(stage: Stage) -> None:
    assert stage.call("GET /v1/budget")["spent_usd"] == 0


@scene(LAUNCH, "GET /v1/base-models")
def base_models_are_listed(stage: Stage) -> None:
    assert stage.call("GET /v1/base-models")["data"]
