"""activate-model: models and versions registered, decisions by hand and by the gate."""

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.domain.serving.hosting import with_deploy_failure
from tuneloop.domain.serving.models import VersionStatus

ACTIVATE = "activate-model"


def stable(stage: Stage) -> int:
    return stage.models.deployment(stage.tenant, "support").stable


@scene(ACTIVATE, "POST /v1/models")
def a_model_is_registered(stage: Stage) -> None:
    stage.call("POST /v1/models", {"id": "support"})

    assert stage.models.find(stage.tenant, "support")


@scene(ACTIVATE, "POST /v1/models/{model}/versions")
def a_version_is_registered(stage: Stage) -> None:
    state.model(stage)

    made = stage.call("POST /v1/models/support/versions", {"provider_model": "some-model"})

    assert stage.models.version(stage.tenant, "support", made["number"])


@scene(ACTIVATE, "GET /v1/models/{model}/versions")
def versions_are_listed(stage: Stage) -> None:
    state.version(stage)

    assert [found["number"] for found in stage.call("GET /v1/models/support/versions")["data"]] == [1, 0]


@scene(ACTIVATE, "DELETE /v1/models/{model}/versions/{number}")
def a_version_is_retired(stage: Stage) -> None:
    state.version(stage)

    stage.call("DELETE /v1/models/support/versions/1")

    assert stage.models.version(stage.tenant, "support", 1).status == VersionStatus.RETIRED


@scene(ACTIVATE, "POST /v1/models/{model}/versions/{number}/deploy")
def a_version_is_deployed_once_more(stage: Stage) -> None:
    made = stage.models.version(stage.tenant, "support", state.version(stage).number)
    stage.models.save_version(with_deploy_failure(made, "deployment_failed", "It could not be made.", state.long_ago()))

    stage.call("POST /v1/models/support/versions/1/deploy")

    assert stage.models.version(stage.tenant, "support", 1).status == VersionStatus.DEPLOYING


@scene(ACTIVATE, "GET /v1/models/{model}/deployment")
def the_deployment_is_read(stage: Stage) -> None:
    state.model(stage)

    assert stage.call("GET /v1/models/support/deployment")["stable"] == 0


@scene(ACTIVATE, "PUT /v1/models/{model}/deployment")
def a_candidate_is_tried_on_some_users(stage: Stage) -> None:
    state.version(stage)

    stage.call("PUT /v1/models/support/deployment", {"candidate": 1, "share": 0.1})

    assert stage.models.deployment(stage.tenant, "support").candidate == 1


@scene(ACTIVATE, *(f"POST /v1/models/{{model}}/{what}" for what in ("activate", "rollback", "deactivate")))
def a_version_is_activated_rolled_back_and_deactivated(stage: Stage) -> None:
    state.version(stage)

    for what, body, serves in (
        ("activate", {"version": 1}, 1),
        ("rollback", {}, 0),
        ("activate", {"version": 1}, 1),
        ("deactivate", {}, 0),
    ):
        stage.call(f"POST /v1/models/support/{what}", body)
        assert stable(stage) == serves


@scene(ACTIVATE, "POST /v1/models/{model}/resume")
def a_hold_is_lifted(stage: Stage) -> None:
    state.version(stage)
    stage.call("POST /v1/models/support/deactivate")
    assert stage.models.deployment(stage.tenant, "support").hold

    stage.call("POST /v1/models/support/resume")

    assert stage.models.deployment(stage.tenant, "support").hold is None


@scene(ACTIVATE, "GET /v1/models/{model}/history")
def decisions_are_listed(stage: Stage) -> None:
    state.model(stage)

    assert stage.call("GET /v1/models/support/history")["data"] == []


@scene(ACTIVATE, "EvaluationCompleted")
def a_verdict_activates_the_candidate(stage: Stage) -> None:
    asked = state.evaluation(stage)
    compared = {"evaluation": asked.id, "model": "support", "candidate": 1, "stable": 0}

    stage.wake("activate_model.EvaluationCompleted", tenant=stage.tenant, **compared)

    assert stable(stage) == 1
