"""Runs as OpenAI's wire tells them: statuses, what was made, events and pages, whatever the provider."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND, a_run, a_version
from tuneloop.api.job_view import events_of, job_of, page_of
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.serving.models import VersionStatus, new_model
from tuneloop.domain.training.jobs import RunError, RunEvent, TrainingMethod
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.openai_wire.fine_tuning import JobEvent
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

OPENAI_S = {"validating_files", "queued", "running", "succeeded", "failed", "cancelled"}


def made(app: App, status: VersionStatus) -> ControlledRun:
    """A run that has succeeded, and whose version 1 has a status."""
    app.models.register(new_model("acme", "support", "trainer", "base-1", NOW))
    version = a_version(number=1, status=status)
    app.table.commit(ConditionalPut(keys.version("acme", "support", 1), version))
    return a_run(status=RunStatus.SUCCEEDED, version=1, finished_at=NOW, trained_tokens=10)


@pytest.mark.parametrize("status", RunStatus)
def test_every_status_has_one_of_openai_s_words(status: RunStatus, app: App) -> None:
    assert job_of(a_run(status=status), models=app.models).status in OPENAI_S


@pytest.mark.parametrize(
    ("version", "status", "name", "code"),
    [
        (VersionStatus.READY, "succeeded", "support:1", None),
        (VersionStatus.RETIRED, "succeeded", "support:1", None),
        (VersionStatus.DEPLOYING, "running", None, None),
        (VersionStatus.DEPLOY_FAILED, "failed", None, "deploy_failed"),
    ],
)
def test_a_job_has_succeeded_once_its_version_can_answer(
    version: VersionStatus, status: str, name: str | None, code: str | None, app: App
) -> None:
    job = job_of(made(app, version), models=app.models)

    assert (job.status, job.fine_tuned_model, job.error and job.error.code) == (status, name, code)
    assert (job.finished_at is None) is (job.status == "running")
    assert job.trained_tokens == (10 if name else None)


def test_a_job_says_how_it_is_trained_and_what_it_costs(app: App) -> None:
    run = a_run(
        method=TrainingMethod.PREFERENCE,
        hyperparameters={"n_epochs": 2, "beta": 0.2},
        seed=7,
        validation_dataset="other",
        error=RunError(code="c", message="m", param="p"),
        waiting_for="A confirmation.",
    )

    job = job_of(run, models=app.models)

    assert job.method
    assert job.method["dpo"]["hyperparameters"] == {
        "n_epochs": 2,
        "batch_size": "auto",
        "learning_rate_multiplier": "auto",
        "beta": 0.2,
    }
    assert (job.seed, job.validation_file, job.organization_id) == (7, "other", "acme")
    assert job.error
    assert (job.error.code, job.error.message, job.error.param) == ("c", "m", "p")
    assert job.tuneloop.waiting_for == "A confirmation."


def test_events_are_told_newest_first_between_beginning_and_end() -> None:
    run = a_run(
        status=RunStatus.FAILED, created_at=NOW, waiting_for="x", waiting_since=NOW + SECOND, finished_at=NOW + SECOND
    )
    reported = [
        RunEvent(id="e-1", at=NOW + timedelta(seconds=2), message="one"),
        RunEvent(id="e-2", at=NOW + timedelta(seconds=3), message="two", step=3, train_loss=0.5),
    ]

    told = events_of(run, reported)

    assert [event.message for event in told] == [
        "The job has failed.",
        "two",
        "one",
        "Waiting for: x",
        f"Created fine-tuning job: {run.id}",
    ]
    assert (told[1].type, told[1].data, told[2].type) == ("metrics", {"step": 3, "train_loss": 0.5}, "message")
    assert len({event.id for event in told}) == len(told)


def test_a_page_begins_behind_its_row_and_says_whether_more_follows() -> None:
    rows: list[Any] = [JobEvent(id=f"e-{number}") for number in range(3)]

    assert [row.id for row in page_of(rows, None, 2).data] == ["e-0", "e-1"]
    assert page_of(rows, None, 2).has_more
    assert ([row.id for row in page_of(rows, "e-1", 2).data], page_of(rows, "e-1", 2).has_more) == (["e-2"], False)
    assert page_of(rows, "e-2", 2).data == []
    with pytest.raises(NotFound):
        page_of(rows, "e-9", 2)
