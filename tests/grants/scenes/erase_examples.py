"""erase-examples: what is asked to be erased goes out of reading, out of what is kept, and out of the bucket."""

from datetime import timedelta

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.domain.datasets.erasures import Erasure, subject_erasure
from tuneloop.domain.evaluation.evaluations import ArmName, Evaluation, EvaluationStatus
from tuneloop.domain.training.runs import RunStatus
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

ERASE = "erase-examples"
SUBJECT = "user-1"


def asked(stage: Stage) -> Erasure:
    """An erasure that was asked for and not begun."""
    return stage.erasures.add(subject_erasure(stage.tenant, SUBJECT, state.long_ago()))


def ended(stage: Stage, export: str) -> Evaluation:
    """An evaluation on an export that has ended, and one part of whose answers is kept."""
    return Evaluation(
        id="eval-1",
        tenant=stage.tenant,
        model=state.NAME,
        candidate=1,
        stable=0,
        dataset=state.NAME,
        export=export,
        status=EvaluationStatus.COMPLETED,
        parts={ArmName.CANDIDATE: 1},
        created_at=state.long_ago(),
    )


def example_of(stage: Stage) -> str:
    """The id of an example that the dataset holds."""
    [segment] = stage.datasets.segments(stage.tenant, state.NAME, 1)
    line = next(stage.objects.lines(segment.key))
    return line[7:71].decode()


@scene(ERASE, "DELETE /v1/datasets/{dataset}/examples/{example}")
def an_example_is_left_out(stage: Stage) -> None:
    state.dataset(stage)

    found = stage.call(f"DELETE /v1/datasets/{state.NAME}/examples/{example_of(stage)}")

    assert found["status"] == "excluded"
    assert stage.datasets.get(stage.tenant, state.NAME).revision == 2


@scene(ERASE, "DELETE /v1/subjects/{subject}")
def a_subject_is_left_out(stage: Stage) -> None:
    state.dataset(stage)

    assert stage.call(f"DELETE /v1/subjects/{SUBJECT}")["status"] == "excluded"


@scene(ERASE, "POST /v1/erasures")
def a_subject_of_any_name_is_left_out(stage: Stage) -> None:
    state.dataset(stage)

    assert stage.call("POST /v1/erasures", {"subject": "a/b"})["status"] == "excluded"


@scene(ERASE, "GET /v1/erasures")
def erasures_are_listed(stage: Stage) -> None:
    made = asked(stage)

    assert [each["id"] for each in stage.call("GET /v1/erasures")["data"]] == [made.id]


@scene(ERASE, "GET /v1/erasures/{erasure}")
def an_erasure_is_read(stage: Stage) -> None:
    made = asked(stage)

    assert stage.call(f"GET /v1/erasures/{made.id}")["id"] == made.id


@scene(ERASE, "every-5-minutes")
def an_example_goes_from_rows_bucket_and_provider(stage: Stage) -> None:
    export = state.export(stage)
    run = state.run(stage, status=RunStatus.SUCCEEDED)
    example = example_of(stage)
    answers = f"evaluations/{stage.tenant}/eval-1/candidate-0000000.jsonl"
    stage.put(answers, b"{}")
    stage.evaluations.save(ended(stage, export.id), now=state.long_ago())
    found = stage.call(f"DELETE /v1/datasets/{state.NAME}/examples/{example}")

    for _ in range(2):
        stage.wake("erase_examples.every-5-minutes")

    done = stage.erasures.get(stage.tenant, found["id"])
    assert (done.status, done.runs) == ("done", [run.id])
    left = [version.key for prefix in ("datasets/", "exports/") for version in stage.objects.all_versions(prefix)]
    assert len([key for key in left if key.startswith("datasets/")]) == 1
    assert f"{export.prefix}/members.bin" not in left
    assert not list(stage.objects.all_versions(answers))


@scene(ERASE, "every-5-minutes")
def many_segments_are_merged_and_forgotten(stage: Stage) -> None:
    found = state.dataset(stage)
    stage.datasets.save(found.model_copy(update={"segments": 100}))
    stage.wake("erase_examples.every-5-minutes")
    [generation] = stage.generations.all(stage.tenant, state.NAME)
    place = keys.generation(stage.tenant, state.NAME, generation.number)
    stage.table.commit(
        ConditionalPut(place, generation.model_copy(update={"created_at": utc_now() - timedelta(days=8)}))
    )

    stage.wake("erase_examples.every-5-minutes")

    assert stage.generations.all(stage.tenant, state.NAME)[0].alone
    assert not stage.datasets.segment_rows(stage.tenant, state.NAME)
