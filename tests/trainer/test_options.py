"""Other servers that the trainer can play: ones that ignore metadata, and ones that announce a model's end."""

from collections.abc import Callable

from openai.types.fine_tuning import FineTuningJob

from tests.trainer.trainer_process import BASE, Trainer, client_of, ended, intents, supervised, upload


def test_a_server_may_ignore_metadata(make_trainer: Callable[..., Trainer]) -> None:
    with client_of(make_trainer("--without-metadata").start()) as client:
        training_file = upload(client, intents(20))

        job = client.fine_tuning.jobs.create(
            model=BASE, training_file=training_file, suffix="run-1", metadata={"run": "run-1"}
        )

        found: FineTuningJob = client.fine_tuning.jobs.list(metadata={"run": "another"}).data[0]
        assert (job.metadata, found.metadata, found.id) == (None, None, job.id)
        assert found.training_file == training_file
        assert (found.model_extra or {})["user_provided_suffix"] == "run-1"


def test_a_server_may_announce_the_end_of_a_model(make_trainer: Callable[..., Trainer]) -> None:
    with client_of(make_trainer("--shutdown-date", f"{BASE}=2027-01-14").start()) as client:
        job = client.fine_tuning.jobs.create(
            model=BASE, training_file=upload(client, intents(20)), method=supervised(n_epochs=1)
        )
        tuned = str(ended(client, job.id).fine_tuned_model)

        dates = {model.id: model.shutdown_date for model in client.models.list()}

        assert dates[BASE] == dates[tuned] == "2027-01-14"
        assert client.models.retrieve(BASE).shutdown_date == "2027-01-14"
