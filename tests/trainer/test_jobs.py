import csv
import io

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.trainer_process import BASE, ask, ended, intents, supervised, until, upload

ORDER = ["validating_files", "queued", "running", "succeeded"]


def long_job(client: OpenAI, **more: object) -> FineTuningJob:
    """Begin a job that takes some seconds."""
    return client.fine_tuning.jobs.create(
        model=BASE,
        training_file=upload(client, intents(2_000)),
        method=supervised(n_epochs=50, batch_size=4),
        **more,  # type: ignore[arg-type]
    )


def is_at(client: OpenAI, job_id: str, status: str) -> bool:
    return client.fine_tuning.jobs.retrieve(job_id).status == status


def steps_of(client: OpenAI, job_id: str) -> list[int]:
    """Return the steps that were reported, newest first."""
    events = client.fine_tuning.jobs.list_events(job_id, limit=1000)
    return [event.data["step"] for event in events if event.type == "metrics"]  # type: ignore[index]


def test_a_job_moves_through_openais_statuses_to_a_model(client: OpenAI) -> None:
    training_file = upload(client, intents(500))

    job = client.fine_tuning.jobs.create(model=BASE, training_file=training_file, suffix="moves")
    seen = [job.status]
    while seen[-1] != "succeeded":
        status = client.fine_tuning.jobs.retrieve(job.id).status
        seen += [status] if status != seen[-1] else []
        assert status in ORDER

    assert job.id.startswith("ftjob-")
    assert seen[0] == "validating_files"
    assert [ORDER.index(status) for status in seen] == sorted(ORDER.index(status) for status in seen)


def test_a_finished_job_says_what_it_did(tuned: FineTuningJob) -> None:
    assert tuned.status == "succeeded"
    assert tuned.error is None
    assert tuned.estimated_finish is None
    assert tuned.fine_tuned_model == f"ft:{BASE}:local:support-desk:{tuned.id[-8:]}"
    assert tuned.hyperparameters.n_epochs == 5
    assert isinstance(tuned.hyperparameters.batch_size, int)
    assert tuned.method
    assert tuned.method.type == "supervised"
    assert tuned.seed == 7
    assert tuned.metadata == {"run": "tuned", "purpose": "conformance"}
    assert tuned.trained_tokens
    assert tuned.trained_tokens > 200 * 5 * 20
    assert tuned.finished_at
    assert tuned.created_at <= tuned.finished_at


def test_losses_are_reported_and_fall(client: OpenAI, tuned: FineTuningJob) -> None:
    events = list(client.fine_tuning.jobs.list_events(tuned.id, limit=1000))[::-1]

    metrics = [event.data for event in events if event.type == "metrics"]
    full = [data["full_valid_loss"] for data in metrics if "full_valid_loss" in data]  # type: ignore[operator,index]
    assert metrics[-1]["step"] == metrics[-1]["total_steps"]  # type: ignore[index]
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"] / 2  # type: ignore[index]
    assert len(full) == 5
    assert full == sorted(full, reverse=True)
    assert events[0].message == f"Created fine-tuning job: {tuned.id}"
    assert events[-1].message == "The job has successfully completed"


def test_events_come_newest_first_page_by_page(client: OpenAI, tuned: FineTuningJob) -> None:
    first = client.fine_tuning.jobs.list_events(tuned.id, limit=7)

    walked = [event.id for event in first]

    assert len(first.data) == 7
    assert first.has_more
    assert len(walked) == len(set(walked)) > 50
    assert walked == [event.id for event in client.fine_tuning.jobs.list_events(tuned.id, limit=1000).data]


def test_the_result_file_holds_every_report(client: OpenAI, tuned: FineTuningJob) -> None:
    content = client.files.content(tuned.result_files[0]).text

    rows = list(csv.DictReader(io.StringIO(content)))
    reported = steps_of(client, tuned.id)
    assert client.files.retrieve(tuned.result_files[0]).purpose == "fine-tune-results"
    assert [int(row["step"]) for row in rows] == reported[::-1]
    assert all(float(row["valid_loss"]) > 0 for row in rows)


def test_the_last_three_epochs_leave_checkpoints_that_answer(client: OpenAI, tuned: FineTuningJob) -> None:
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(tuned.id, limit=2))

    names = [checkpoint.fine_tuned_model_checkpoint for checkpoint in checkpoints]
    steps = [checkpoint.step_number for checkpoint in checkpoints]
    assert len(checkpoints) == 3
    assert names[0] == tuned.fine_tuned_model
    assert names[1:] == [f"{tuned.fine_tuned_model}:ckpt-step-{step}" for step in steps[1:]]
    assert steps == sorted(steps, reverse=True)
    assert checkpoints[0].metrics.full_valid_loss is not None
    assert ask(client, names[1], "where is my parcel, the tracking is late") == '{"intent": "delivery"}'


def test_jobs_are_found_by_metadata(client: OpenAI, tuned: FineTuningJob) -> None:
    jobs = client.fine_tuning.jobs

    assert [job.id for job in jobs.list(metadata={"run": "tuned"})] == [tuned.id]
    assert [job.id for job in jobs.list(metadata={"run": "tuned", "purpose": "conformance"})] == [tuned.id]
    assert not jobs.list(metadata={"run": "tuned", "purpose": "else"}).data
    assert tuned.id not in [job.id for job in jobs.list(extra_query={"metadata": "null"})]


def test_jobs_are_listed_newest_first_page_by_page(client: OpenAI, tuned: FineTuningJob) -> None:
    newer = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, intents(20)))
    ended(client, newer.id)

    walked = [job.id for job in client.fine_tuning.jobs.list(limit=1)]

    assert walked.index(newer.id) < walked.index(tuned.id)
    assert walked == [job.id for job in client.fine_tuning.jobs.list(limit=100).data]


def test_one_job_runs_at_a_time_and_both_can_be_cancelled(client: OpenAI) -> None:
    first, second = long_job(client), long_job(client)
    until(lambda: is_at(client, first.id, "running"), "the first runs")
    until(lambda: is_at(client, second.id, "queued"), "the second waits")
    until(lambda: client.fine_tuning.jobs.retrieve(first.id).estimated_finish, "its end is estimated")

    cancelled = [client.fine_tuning.jobs.cancel(job.id) for job in (second, first)]

    assert [job.status for job in cancelled] == ["cancelled", "cancelled"]
    assert all(job.finished_at and job.fine_tuned_model is None for job in cancelled)
    with pytest.raises(BadRequestError, match="already ended: cancelled"):
        client.fine_tuning.jobs.cancel(first.id)
    follower = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, intents(20)))
    assert ended(client, follower.id).status == "succeeded"
    assert is_at(client, first.id, "cancelled")


def test_a_paused_job_rests_until_it_is_resumed(client: OpenAI) -> None:
    job = long_job(client)
    until(lambda: steps_of(client, job.id), "a step is reported")

    client.fine_tuning.jobs.pause(job.id)
    other = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, intents(20)))
    rested_at = steps_of(client, job.id)[0]

    assert ended(client, other.id).status == "succeeded"
    assert steps_of(client, job.id)[0] == rested_at
    client.fine_tuning.jobs.resume(job.id)
    until(lambda: steps_of(client, job.id)[0] > rested_at, "training goes on")
    client.fine_tuning.jobs.cancel(job.id)
    with pytest.raises(BadRequestError, match="already ended"):
        client.fine_tuning.jobs.resume(job.id)


def test_the_server_answers_while_a_job_trains(client: OpenAI, tuned: FineTuningJob) -> None:
    job = long_job(client)
    until(lambda: is_at(client, job.id, "running"), "the job runs")

    answers = {ask(client, tuned.fine_tuned_model or "", "reset my password please") for _ in range(50)}

    assert answers == {'{"intent": "password"}'}
    assert is_at(client, job.id, "running")
    client.fine_tuning.jobs.cancel(job.id)


def test_the_same_seed_gives_the_same_run(client: OpenAI) -> None:
    training_file = upload(client, intents(100))

    results = []
    for seed in (1, 1, 2):
        job = client.fine_tuning.jobs.create(
            model=BASE, training_file=training_file, seed=seed, method=supervised(n_epochs=2)
        )
        results.append(client.files.content(ended(client, job.id).result_files[0]).text)

    assert results[0] == results[1]
    assert results[0] != results[2]


def test_an_unknown_job_is_not_found(client: OpenAI) -> None:
    jobs = client.fine_tuning.jobs

    for call in (jobs.retrieve, jobs.cancel, jobs.pause, jobs.resume, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(NotFoundError) as refused:
            call("ftjob-none")
        assert refused.value.code == "fine-tuning_job_not_found"
