"""launch-finetune at a provider that imports an upload first: it waits, uploads nothing twice, and makes one job."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.file_import_server import FileImportServer
from tests.functions.runs import stored_run
from tests.world import World
from tuneloop.domain.training.runs import RunStatus

MINUTE = 60


@pytest.fixture
def importing(live: World, trainer: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileImportServer]:
    """The trainer behind a server that imports files first, as the stage's provider."""
    with FileImportServer(trainer).running() as server:
        reach(live, server.url, monkeypatch)
        yield server


def swept(world: World, later: Later, minutes: float) -> None:
    """A sweep, so many minutes from now."""
    later(minutes * MINUTE)
    world.schedule("launch-finetune")


@pytest.mark.parametrize(
    "status", ["pending", "running", "processing", "PENDING", "in_progress", "in progress", "uploaded"]
)
def test_a_file_that_is_being_imported_is_waited_for(
    status: str, live: World, importing: FileImportServer, later: Later
) -> None:
    importing.status = status
    steps.settled(live, steps.questions(40))

    waiting = stored_run(live)
    assert (waiting.status, waiting.error, waiting.provider_job_id) == (RunStatus.SUBMITTING, None, None)
    assert (
        waiting.waiting_for
        == f"The provider to import the training file: it says `{'importing' if ' ' in status else status}`."
    )
    assert waiting.waiting_since
    swept(live, later, 5)
    assert stored_run(live).waiting_since == waiting.waiting_since
    importing.finish()
    swept(live, later, 10)

    run = stored_run(live)
    assert (run.provider_job_id is not None, run.waiting_for) == (True, None)
    assert importing.asked["POST /fine_tuning/jobs"] == 1
    assert importing.asked["POST /files"] == 2  # the training file and the validation file, once each
    assert steps.followed(live, run.id)["status"] == "succeeded"


def test_a_file_that_stands_in_no_list_yet_is_not_sent_again(
    live: World, importing: FileImportServer, later: Later
) -> None:
    importing.lists_files = False
    steps.settled(live, steps.questions(40))
    swept(live, later, 5)
    importing.finish()

    swept(live, later, 10)

    assert stored_run(live).provider_job_id
    assert importing.asked["POST /files"] == 2


@pytest.mark.parametrize("status", ["error", "failed", "Failed"])
def test_a_file_that_cannot_be_imported_ends_the_run_in_words(
    status: str, live: World, importing: FileImportServer
) -> None:
    importing.status = status
    steps.settled(live, steps.questions(40))

    run = stored_run(live)

    assert run.status == RunStatus.FAILED
    assert run.error
    assert run.error.code == "file_import_failed"
    assert f"could not import the training file: its status is `{status}`" in run.error.message
    assert importing.asked["POST /fine_tuning/jobs"] == 0


@pytest.mark.parametrize("status", ["processed", None, "something-new", "succeeded"])
def test_a_status_that_says_nothing_against_it_has_the_job_tried(
    status: str | None, live: World, importing: FileImportServer
) -> None:
    importing.finish(status)

    steps.settled(live, steps.questions(40))

    assert stored_run(live).provider_job_id


def test_a_server_that_says_uploaded_for_ever_is_waited_for_shortly(
    live: World, importing: FileImportServer, later: Later
) -> None:
    importing.finish("uploaded")
    steps.settled(live, steps.questions(40))
    assert importing.asked["POST /fine_tuning/jobs"] == 0

    swept(live, later, 11)

    assert stored_run(live).provider_job_id


@pytest.mark.parametrize(
    ("refusal", "refused_with"),
    [
        ({"message": "File 'file-1' is still being processed and is not ready."}, 400),
        ({"message": "The file import has not been completed."}, 400),
        ({"message": "training_file: currently importing", "param": "training_file"}, 409),
        ({"message": "no", "code": "file_not_ready"}, 422),
        ({"message": "no", "code": "FileNotProcessed"}, 400),
        ({"message": "File file-1 is being imported, try again.", "code": None}, 425),
    ],
)
def test_a_job_that_is_refused_as_the_file_is_not_ready_is_tried_again(
    refusal: dict[str, Any], refused_with: int, live: World, importing: FileImportServer, later: Later
) -> None:
    importing.status, importing.refusal, importing.refused_with = None, refusal, refused_with
    steps.settled(live, steps.questions(40))

    waiting = stored_run(live)
    assert (waiting.status, waiting.create_sent_at, waiting.lease) == (RunStatus.SUBMITTING, None, None)
    assert waiting.waiting_for
    assert waiting.waiting_for.startswith("The provider to be ready for a job on the file")
    importing.finish(None)
    swept(live, later, 5)

    run = stored_run(live)
    assert run.provider_job_id
    assert importing.asked["POST /fine_tuning/jobs"] == 2
    assert importing.asked["POST /files"] == 2


def test_an_unknown_refusal_of_an_uploaded_file_is_retried_for_an_hour(
    live: World, importing: FileImportServer, later: Later
) -> None:
    importing.status, importing.refusal = "uploaded", {"message": "no", "code": "bad_request"}
    steps.settled(live, steps.questions(40))
    for minutes in (15, 30):
        swept(live, later, minutes)
        assert stored_run(live).status == RunStatus.SUBMITTING

    swept(live, later, 75)

    run = stored_run(live)
    assert (run.status, run.error is not None) == (RunStatus.FAILED, True)
    assert run.error
    assert "400 bad_request" in run.error.message


@pytest.mark.usefixtures("importing")
def test_an_import_that_never_ends_is_given_up_after_a_day(live: World, later: Later) -> None:
    steps.settled(live, steps.questions(40))
    swept(live, later, 23 * 60)
    assert stored_run(live).status == RunStatus.SUBMITTING

    swept(live, later, 25 * 60)

    run = stored_run(live)
    assert run.status == RunStatus.FAILED
    assert run.error
    assert run.error.code == "file_not_ready"


def test_a_refusal_for_good_of_a_file_that_is_ready_ends_the_run(live: World, importing: FileImportServer) -> None:
    importing.status, importing.refusal = "processed", {"message": "no such model", "code": "model_not_found"}

    steps.settled(live, steps.questions(40))

    assert stored_run(live).status == RunStatus.FAILED


def test_a_run_that_waits_for_an_import_can_be_cancelled(
    live: World, importing: FileImportServer, later: Later
) -> None:
    steps.settled(live, steps.questions(40))
    run = stored_run(live)

    answer = live.call("POST /v1/training-runs/{run}/cancel", f"/v1/training-runs/{run.id}/cancel")

    assert (answer.status, answer.body["status"]) == (202, "cancelled")
    importing.finish()
    swept(live, later, 5)
    assert importing.asked["POST /fine_tuning/jobs"] == 0
