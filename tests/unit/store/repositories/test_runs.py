"""Training runs: swept while open, and ended together with what they made."""

import pytest

from tests.unit.factories import NOW, SECOND, a_run, a_version
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.events import TrainingRunFinished, TrainingRunRequested
from tuneloop.domain.serving.models import Model, Version, new_model
from tuneloop.domain.training.runs import ControlledRun, RunStatus

REQUESTED = TrainingRunRequested(
    tenant="acme", run="run-1", model="support", dataset="support", export="export-1", revision=1
)
FINISHED = TrainingRunFinished(
    tenant="acme", run="run-1", model="support", dataset="support", status=RunStatus.SUCCEEDED, version=1
)


@pytest.fixture
def model(app: App) -> Model:
    app.models.register(new_model("acme", "support", "trainer", "base-1", NOW))
    return app.models.get("acme", "support")


def ended(run: ControlledRun) -> ControlledRun:
    return run.model_copy(update={"status": RunStatus.SUCCEEDED, "finished_at": NOW})


def test_a_run_is_given_back_as_it_is_stored(app: App) -> None:
    stored = app.runs.save(a_run(), event=REQUESTED, now=NOW)

    assert stored == app.runs.get("acme", "run-1") == a_run(seq=1)
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["TrainingRunRequested"]


def test_a_run_that_is_not_there_or_another_tenant_s_is_named(app: App) -> None:
    app.runs.save(a_run())

    with pytest.raises(NotFound, match="There is no training run run-1"):
        app.runs.get("initech", "run-1")

    assert app.runs.find("acme", "run-2") is None


def test_of_two_who_take_a_run_one_is_told(app: App) -> None:
    seen = app.runs.save(a_run())
    app.runs.save(seen.with_status(RunStatus.SUBMITTING))

    with pytest.raises(Stale):
        app.runs.save(seen.with_status(RunStatus.CANCELLED))

    assert app.runs.get("acme", "run-1").status == RunStatus.SUBMITTING


def test_open_runs_of_all_tenants_are_swept_oldest_first(app: App) -> None:
    app.runs.save(a_run(tenant="initech", id="run-2", created_at=NOW + SECOND))
    app.runs.save(a_run())
    app.runs.save(a_run(id="run-3", status=RunStatus.FAILED))

    assert [(run.tenant, run.id) for run in app.runs.open()] == [("acme", "run-1"), ("initech", "run-2")]


def test_a_run_that_ends_leaves_the_sweep_and_stays_in_the_list(app: App) -> None:
    stored = app.runs.save(a_run())

    app.runs.save(ended(stored))

    assert list(app.runs.open()) == []
    assert [run.id for run in app.runs.page("acme", 10, None).data] == ["run-1"]


def test_runs_are_listed_newest_first_and_keep_their_place(app: App) -> None:
    for number in (1, 2):
        app.runs.save(a_run(id=f"run-{number}", created_at=NOW + number * SECOND))
    app.runs.save(app.runs.get("acme", "run-1").with_status(RunStatus.SUBMITTING))

    first = app.runs.page("acme", 1, None)

    assert [run.id for run in first.data] == ["run-2"]
    assert [run.id for run in app.runs.page("acme", 1, first.cursor).data] == ["run-1"]
    assert app.runs.page("initech", 10, None).data == []


def test_a_run_s_end_its_version_and_their_events_are_one_write(app: App, model: Model) -> None:
    stored = app.runs.save(a_run())
    base = app.models.version("acme", "support", 0).model_copy(update={"prompt": "One word."})

    finished = app.runs.finish(ended(stored), FINISHED, NOW, (model, a_version(1), base))

    assert app.runs.get("acme", "run-1") == finished
    assert app.models.get("acme", "support").latest_version == 1
    assert app.models.version("acme", "support", 1).provider_model == "ft-1"
    assert app.models.version("acme", "support", 0).prompt == "One word."
    assert {row.event_type for row in app.outbox.backlog(NOW + SECOND)} == {"TrainingRunFinished", "VersionReady"}


def test_two_who_see_a_run_end_make_one_version(app: App, model: Model) -> None:
    stored = app.runs.save(a_run())
    made: tuple[Model, Version, Version | None] = (model, a_version(1), None)
    app.runs.finish(ended(stored), FINISHED, NOW, made)

    with pytest.raises(Stale):
        app.runs.finish(ended(stored), FINISHED, NOW, made)

    assert app.models.get("acme", "support").latest_version == 1


def test_a_version_number_is_given_out_once(app: App, model: Model) -> None:
    stored = app.runs.save(a_run())
    app.models.add_version(model, a_version(1, provider_model="by-hand"), NOW)

    with pytest.raises(Stale):
        app.runs.finish(ended(stored), FINISHED, NOW, (model, a_version(1), None))

    assert app.runs.get("acme", "run-1").is_open
    assert app.models.version("acme", "support", 1).provider_model == "by-hand"


def test_a_run_that_made_nothing_ends_alone(app: App, model: Model) -> None:
    stored = app.runs.save(a_run())

    app.runs.finish(ended(stored), FINISHED, NOW, None)

    assert not app.runs.get("acme", "run-1").is_open
    assert app.models.get("acme", "support") == model


def test_a_run_is_found_by_its_job_from_the_write_on_that_adopts_it(app: App) -> None:
    seen = app.runs.save(a_run())
    assert app.runs.by_job("trainer", "job-1") is None

    adopted = app.runs.adopt(seen.model_copy(update={"provider_job_id": "job-1"}))

    assert app.runs.by_job("trainer", "job-1") == adopted == app.runs.get("acme", "run-1")
    assert app.runs.by_job("openai", "job-1") is None


def test_a_job_is_not_found_where_its_run_was_changed_in_between(app: App) -> None:
    seen = app.runs.save(a_run())
    app.runs.save(seen)

    with pytest.raises(Stale):
        app.runs.adopt(seen.model_copy(update={"provider_job_id": "job-1"}))

    assert app.runs.by_job("trainer", "job-1") is None


@pytest.mark.parametrize("job", ["ftjob-1", "arn:aws:bedrock:us-east-1:123456789012:job/x", "ü" * 600, "#", "x" * 2000])
def test_a_job_s_id_may_be_whatever_its_provider_makes_of_it(job: str, app: App) -> None:
    adopted = app.runs.adopt(a_run(provider_job_id=job))

    assert app.runs.by_job("trainer", job) == adopted


def test_runs_behind_one_are_read_newest_first_over_pages(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.store.repositories.runs.RUNS_PER_QUERY", 2)
    for number in range(5):
        app.runs.save(a_run(id=f"run-{number}", created_at=NOW + number * SECOND))

    assert [run.id for run in app.runs.behind("acme", None)] == [f"run-{number}" for number in (4, 3, 2, 1, 0)]
    assert [run.id for run in app.runs.behind("acme", app.runs.get("acme", "run-3"))] == ["run-2", "run-1", "run-0"]
    assert list(app.runs.behind("initech", None)) == []
