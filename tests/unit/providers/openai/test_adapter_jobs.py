"""Jobs, files and events at a real server: what is sent, and what is read out of whatever comes back."""

from collections.abc import Callable
from contextlib import closing
from io import BytesIO, StringIO
from time import monotonic
from typing import Any

import pytest

from tests.unit.providers.server import FILE, ORIGIN, REQUEST, Play, Server
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import DAILY_LIMIT, ProviderUnavailable
from tuneloop.domain.training.jobs import TrainingMethod
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.observability import logger
from tuneloop.providers.openai import client
from tuneloop.providers.openai.adapter import OpenAICompatible as Provider
from tuneloop.providers.openai.responses import DEFAULT_CODE, ITS_WORDS, NO_REASON, metadata_of

SAID = "the purple heron dances at noon"
ENDED = f"The provider ended the job: {{}}. {ITS_WORDS}"
JOB = {"id": "job-1", "status": "running"}


def listed(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": False, **more}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


def test_a_job_is_asked_for_once_however_it_fails(server: Server, provider: Provider) -> None:
    server.plays_next({}, status=500)

    with pytest.raises(ProviderUnavailable):
        provider.create_job(REQUEST)

    assert len(server.asked) == 1


@pytest.mark.parametrize("validation", [None, "file-2"])
def test_a_job_is_created_with_what_it_is_found_by(validation: str | None, server: Server, provider: Provider) -> None:
    server.plays_next(JOB)

    job = provider.create_job(REQUEST.model_copy(update={"validation_file": validation}))

    assert job.id == "job-1"
    sent = server.asked[0].json
    assert (server.asked[0].path, sent["model"], sent["training_file"]) == ("/v1/fine_tuning/jobs", "base-1", "file-1")
    assert sent["method"] == {"type": "supervised", "supervised": {"hyperparameters": {}}}
    assert sent["metadata"] == {f"tuneloop_{name}": str(value) for name, value in REQUEST.origin.model_dump().items()}
    assert sent.get("validation_file") == validation


def test_preferences_are_trained_by_the_method_that_openai_calls_dpo(server: Server, provider: Provider) -> None:
    server.plays_next(JOB)

    chosen = {"n_epochs": 2, "beta": 0.1}
    provider.create_job(REQUEST.model_copy(update={"method": TrainingMethod.PREFERENCE, "hyperparameters": chosen}))

    sent = server.asked[0].json
    assert sent["method"] == {"type": "dpo", "dpo": {"hyperparameters": chosen}}
    assert "hyperparameters" not in sent
    assert "trainingType" not in sent


def test_azure_hears_of_the_tier_that_it_was_registered_with(server: Server) -> None:
    server.plays_next(JOB)
    azure = Provider(
        RegisteredProvider(name="azure", base_url=f"{server.url}/openai", training_type="globalStandard"), lambda: "key"
    )

    azure.create_job(REQUEST)
    azure.close()

    assert server.asked[0].path == "/v1/openai/fine_tuning/jobs"
    assert server.asked[0].json["trainingType"] == "globalStandard"


def test_a_daily_limit_is_told_apart_from_one_that_passes(server: Server, provider: Provider) -> None:
    server.plays_next({"error": {"code": "daily_rate_limit_exceeded", "message": SAID}}, status=429)

    with pytest.raises(ProviderUnavailable) as told:
        provider.create_job(REQUEST)

    assert told.value.code == DAILY_LIMIT
    assert SAID not in told.value.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(("said", "kept"), [("120", 120.0), ("999999", 86_400.0), ("soon", None), ("-1", None)])
def test_a_pause_that_a_provider_asks_for_is_told_and_not_slept(
    said: str, kept: float | None, server: Server, provider: Provider
) -> None:
    server.plays_next(
        Play(b'{"error": {"code": "rate_limit_exceeded"}}', status=429, headers=(f"retry-after: {said}",))
    )
    started = monotonic()

    with pytest.raises(ProviderUnavailable) as told:
        provider.create_job(REQUEST)

    assert (told.value.code, told.value.retry_after_s) == ("provider_unavailable", kept)
    assert monotonic() - started < 2


def test_all_of_a_job_s_events_are_read_page_by_page_where_wanted(server: Server, provider: Provider) -> None:
    newest = [{"id": f"e-{number}"} for number in (5, 4, 3)]
    server.plays_next(listed(*newest, has_more=True), listed({"id": "e-2"}, {"id": "e-1"}))

    assert [event.id for event in provider.events("job-1", 5, whole=True)] == ["e-1", "e-2", "e-3", "e-4", "e-5"]

    assert server.asked[1].query["after"] == ["e-3"]


def test_a_list_is_read_again_after_a_failure_that_passes(
    server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAUSE_S", 0.001)
    server.plays_next(Play(b"{}", status=503), listed(JOB))

    assert [job.id for job in provider.jobs()] == ["job-1"]


@pytest.mark.parametrize("call", [lambda one: list(one.jobs()), lambda one: one.find_file(FILE)])
def test_a_list_waits_for_no_server_beyond_its_own_time(
    call: Callable[[Provider], Any], server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAUSE_S", 0.001)
    server.plays_next(Play(b"{}", status=429, headers=("retry-after: 300",)))
    started = monotonic()

    with pytest.raises(ProviderUnavailable, match="429"):
        call(provider)

    assert monotonic() - started < 60
    assert len(server.asked) == 2


def test_a_list_is_not_asked_for_again_when_its_time_is_over(
    server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIST_S", client.PAUSE_S)
    server.plays_next(Play(b"{}", status=503))

    with pytest.raises(ProviderUnavailable, match="503"):
        list(provider.jobs())

    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "body"), [(401, {}), (200, [])])
def test_what_would_fail_again_is_not_asked_for_again(
    status: int, body: Any, server: Server, provider: Provider
) -> None:
    server.plays_next(body, status=status)

    with pytest.raises(ProviderUnavailable):
        list(provider.jobs())

    assert len(server.asked) == 1


def test_pages_follow_each_other_to_the_last(server: Server, provider: Provider) -> None:
    server.plays_next(
        listed(JOB, JOB | {"id": "job-2"}, has_more=True), listed(JOB | {"id": "job-3"}, has_more=True), listed()
    )

    assert [job.id for job in provider.jobs()] == ["job-1", "job-2", "job-3"]
    assert [asked.query.get("after") for asked in server.asked] == [None, ["job-2"], ["job-3"]]


def test_a_server_that_knows_no_pages_is_not_asked_for_ever(server: Server, provider: Provider) -> None:
    server.plays_next({"data": [JOB]})

    assert {job.id for job in provider.jobs()} == {"job-1"}
    assert len(server.asked) == 2


def test_the_oldest_job_of_a_run_is_its_job(server: Server, provider: Provider) -> None:
    mine = JOB | {"metadata": {"tuneloop_run": "run-1"}}
    other = JOB | {"metadata": {"tuneloop_run": "run-2"}, "created_at": 1}
    jobs = [mine | {"id": "late", "created_at": 30}, mine | {"id": "early", "created_at": 20}, mine, other]
    server.plays_next(listed(*jobs))

    [found] = provider.find_jobs("run-1")[:1]

    assert found
    assert (found.id, found.run) == ("early", "run-1")
    assert server.asked[0].query["metadata[tuneloop_run]"] == ["run-1"]


def test_a_file_is_found_by_its_name_and_uploaded_with_it(server: Server, provider: Provider) -> None:
    server.plays_next(listed({"id": "file-2", "filename": "b.jsonl"}, {"id": "file-1", "filename": FILE.name}))
    assert provider.find_file(FILE) == "file-1"
    assert provider.find_file(FILE._replace(split=Split.TEST)) is None
    assert server.asked[0].query["purpose"] == ["fine-tune"]

    server.plays_next({"id": "file-3"})
    assert provider.upload(FILE, "base-1", BytesIO(b'{"messages": []}')) == "file-3"
    assert f'filename="{FILE.name}"'.encode() in server.asked[0].body


def test_what_another_stage_made_for_a_run_of_the_same_id_is_none_of_ours(server: Server) -> None:
    registered = RegisteredProvider(name="played", base_url=server.url)
    ours, theirs = (Provider(registered, lambda: "a-key", stage) for stage in ("test", "prod"))
    with closing(ours), closing(theirs):
        server.plays_next(listed(JOB | {"metadata": metadata_of(ORIGIN)}))
        assert [job.id for job in ours.find_jobs("run-1")] == ["job-1"]
        assert theirs.find_jobs("run-1") == []

        server.plays_next(listed({"id": "file-1", "filename": f"test-{FILE.name}"}))
        assert ours.find_file(FILE) == "file-1"
        assert theirs.find_file(FILE) is None
        assert theirs.delete_files([FILE]) == 0


STRANGE: list[Any] = [
    {"status": "running"},
    {"id": "job-8"},
    {"id": 5, "status": SAID},
    {"id": "", "status": "x"},
    SAID,
]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_job_that_cannot_be_read_hides_no_other(
    strange: Any, server: Server, provider: Provider, log: StringIO
) -> None:
    server.plays_next(listed(JOB | {"id": "job-7"}, strange, JOB | {"id": "job-9"}))

    assert [job.id for job in provider.jobs()] == ["job-7", "job-9"]
    assert SAID not in log.getvalue()
    assert ('"error":"ValidationError"' in log.getvalue()) == isinstance(strange, dict)


@pytest.mark.parametrize(
    ("said", "status", "code", "message"),
    [
        ({"message": f"Line 3 is not JSON: {SAID}"}, "failed", DEFAULT_CODE, ENDED.format(DEFAULT_CODE)),
        ({"code": "bad_file"}, "failed", "bad_file", ENDED.format("bad_file")),
        ({"code": "bad_file", "param": "x"}, "failed", "bad_file", ENDED.format("bad_file (x)")),
        ({"code": SAID, "param": SAID}, "failed", DEFAULT_CODE, ENDED.format(DEFAULT_CODE)),
        ({"code": 7, "message": ["x"]}, "failed", DEFAULT_CODE, ENDED.format(DEFAULT_CODE)),
        (SAID, "failed", DEFAULT_CODE, ENDED.format(DEFAULT_CODE)),
        (None, "failed", DEFAULT_CODE, NO_REASON),
        ({"code": "bad_file", "message": "Bad."}, "cancelled", "bad_file", ENDED.format("bad_file")),
    ],
)
def test_a_job_s_error_has_a_code_and_a_reason(
    said: Any, status: str, code: str, message: str, server: Server, provider: Provider
) -> None:
    server.plays_next({"id": "job-1", "status": status, "error": said})

    error = provider.get_job("job-1", 5).error

    assert error
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize("said", [None, {}, {"code": None, "message": None, "param": None}, []])
def test_a_job_without_an_error_has_none(said: Any, server: Server, provider: Provider) -> None:
    server.plays_next(JOB | {"error": said})

    assert provider.get_job("job-1", 5).error is None


def test_events_come_oldest_first_without_the_figures_that_are_none(server: Server, provider: Provider) -> None:
    good = {"id": "e-1", "created_at": 1_790_000_000, "level": "warn", "message": "Step 2"}
    figures = {"step": 2, "total_steps": 8.0, "train_loss": 0.5, "valid_loss": 0.7, "full_valid_loss": 0.6}
    odd = {"step": 1.5, "total_steps": "many", "train_loss": {"at": 1}, "valid_loss": float("nan")}
    server.plays_next(listed({"data": odd}, {"data": SAID}, good | {"data": figures}))

    first, second, third = provider.events("job/1", 5)

    assert server.asked[0].path == "/v1/fine_tuning/jobs/job%2F1/events"
    assert first.at
    assert (first.at.timestamp(), first.level, first.message) == (1_790_000_000, "warn", "Step 2")
    assert (first.step, first.total_steps, first.train_loss, first.valid_loss) == (2, 8, 0.5, 0.6)
    for strange in (second, third):
        assert (strange.at, strange.step, strange.total_steps) == (None, None, None)
        assert (strange.train_loss, strange.valid_loss) == (None, None)


def test_checkpoints_are_read_newest_first_and_odd_ones_left_out(server: Server, provider: Provider) -> None:
    good = {"id": "c-2", "created_at": 1_790_000_000, "fine_tuned_model_checkpoint": "ft:2", "step_number": 8}
    figures = {"step": 8, "train_loss": 0.5, "valid_loss": 0.7, "full_valid_loss": 0.6}
    server.plays_next(listed(good | {"metrics": figures}, {"id": "c-1"}, {"id": "c-0", "metrics": [SAID]}))

    [checkpoint] = provider.checkpoints("job/1", 5)

    assert server.asked[0].path == "/v1/fine_tuning/jobs/job%2F1/checkpoints"
    assert (checkpoint.id, checkpoint.model, checkpoint.step) == ("c-2", "ft:2", 8)
    assert (checkpoint.train_loss, checkpoint.valid_loss) == (0.5, 0.6)


def test_a_server_without_checkpoints_has_none(server: Server, provider: Provider) -> None:
    server.plays_next(Play(b'{"error": {}}', status=404))

    assert provider.checkpoints("job-1", 5) == []
