from collections.abc import Callable

import pytest
from openai import OpenAI

from tests.trainer.trainer_process import (
    BASE,
    Trainer,
    TrainerGaveUpError,
    ask,
    client_of,
    ended,
    intents,
    supervised,
    until,
    upload,
)


def reported_steps(client: OpenAI, job_id: str) -> list[int]:
    events = client.fine_tuning.jobs.list_events(job_id, limit=1000)
    return [event.data["step"] for event in events if event.type == "metrics"]  # type: ignore[index]


def test_a_job_survives_a_killed_server_as_if_nothing_had_happened(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer()
    with client_of(trainer.start()) as client:
        plan = {"model": BASE, "method": supervised(n_epochs=20, batch_size=4), "seed": 3}
        training_file, validation_file = upload(client, intents(1_000)), upload(client, intents(50, seed=1))
        job = client.fine_tuning.jobs.create(**plan, training_file=training_file, validation_file=validation_file)
        waiting = client.fine_tuning.jobs.create(**plan, training_file=training_file, validation_file=validation_file)
        until(lambda: max(reported_steps(client, job.id), default=0) > 500, "two epochs are done")
    trainer.kill()

    with client_of(trainer.start()) as client:
        finished, undisturbed = ended(client, job.id), ended(client, waiting.id)

        messages = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=1000)]
        results = [client.files.content(done.result_files[0]).text for done in (finished, undisturbed)]
        assert finished.status == undisturbed.status == "succeeded"
        assert any("Training goes on after epoch" in message for message in messages)
        assert messages.count("The job has successfully completed") == 1
        assert len(reported_steps(client, job.id)) == len(set(reported_steps(client, job.id)))
        assert results[0] == results[1]
        assert len(client.fine_tuning.jobs.list().data) == 2
        assert ask(client, str(finished.fine_tuned_model), "my parcel is late") == '{"intent": "delivery"}'


def test_a_stopped_server_leaves_everything_to_the_next(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer()
    with client_of(trainer.start()) as client:
        file_id = upload(client, intents(2_000))
        job = client.fine_tuning.jobs.create(
            model=BASE, training_file=file_id, method=supervised(n_epochs=50, batch_size=4)
        )
        until(lambda: reported_steps(client, job.id), "training has begun")
    trainer.stop()

    with client_of(trainer.start()) as client:
        assert client.files.retrieve(file_id).id == file_id
        assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
        assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_two_trainers_do_not_share_a_folder(trainer: Trainer, make_trainer: Callable[..., Trainer]) -> None:
    second = make_trainer(folder=trainer.folder)

    with pytest.raises(TrainerGaveUpError, match="Another trainer is using"):
        second.start()
