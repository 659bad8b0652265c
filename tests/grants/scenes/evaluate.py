"""evaluate: versions compared, by request, by event, and where another worker stopped."""

from evaluate.ask import EvaluationObjects
from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.domain.evaluation.evaluations import ArmName, EvaluationStatus, ScoredAnswer
from tuneloop.store.objects.export_columns import Fingerprints, fingerprints_key

EVALUATE = "evaluate"


@scene(EVALUATE, "POST /v1/evaluations")
def an_evaluation_is_asked_for(stage: Stage) -> None:
    state.version(stage)

    asked = stage.call("POST /v1/evaluations", {"model": "support", "version": 1})

    assert stage.evaluations.find(stage.tenant, asked["id"])


@scene(EVALUATE, "GET /v1/evaluations")
def evaluations_are_listed(stage: Stage) -> None:
    asked = state.evaluation(stage)

    assert [found["id"] for found in stage.call("GET /v1/evaluations")["data"]] == [asked.id]


@scene(EVALUATE, "GET /v1/evaluations/{evaluation}")
def an_evaluation_is_read(stage: Stage) -> None:
    asked = state.evaluation(stage)

    assert stage.call(f"GET /v1/evaluations/{asked.id}")["status"] == "requested"


@scene(EVALUATE, "VersionReady")
def a_new_version_is_to_be_compared(stage: Stage) -> None:
    made = state.version(stage)

    stage.wake("evaluate.VersionReady", tenant=stage.tenant, export=made.export)

    assert len(stage.evaluations.page(stage.tenant, 10, None).data) == 1


@scene(EVALUATE, "EvaluationRequested")
def every_version_is_asked_and_compared(stage: Stage) -> None:
    asked = state.evaluation(stage)

    stage.wake("evaluate.EvaluationRequested", tenant=stage.tenant, evaluation=asked.id)

    ended = stage.evaluations.get(stage.tenant, asked.id)
    assert (ended.status, ended.progress, ended.error) == ("completed", 1.0, None), ended


@scene(EVALUATE, "EvaluationRequested")
def an_export_of_an_older_version_is_looked_into(stage: Stage) -> None:
    asked = state.evaluation(stage)
    export = stage.exports.get(stage.tenant, asked.dataset, asked.export)
    stage.objects.remove(stage.objects.all_versions(fingerprints_key(export.folder)))

    stage.wake("evaluate.EvaluationRequested", tenant=stage.tenant, evaluation=asked.id)

    assert stage.evaluations.get(stage.tenant, asked.id).status == "completed"
    subjects = {row.subject for row in Fingerprints(stage.objects).rows(export)}
    assert len(subjects) > 1, "only the dataset tells subjects, and it was not read"


@scene(EVALUATE, "every-5-minutes")
def an_evaluation_goes_on_where_its_worker_died(stage: Stage) -> None:
    asked = state.evaluation(stage)
    versions = [stage.models.version(stage.tenant, "support", number) for number in (0, 1)]
    EvaluationObjects(stage.objects).write_versions(asked, versions)
    EvaluationObjects(stage.objects).write_part(asked, ArmName.CANDIDATE, [ScoredAnswer(row=0, right=True)])
    begun = {"status": EvaluationStatus.RUNNING, "parts": {ArmName.CANDIDATE: 1}}
    stage.evaluations.save(asked.model_copy(update=begun), now=utc_now())

    stage.wake("evaluate.every-5-minutes")

    assert stage.evaluations.get(stage.tenant, asked.id).status == "completed"
