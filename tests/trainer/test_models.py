import pytest
from openai import NotFoundError, OpenAI, PermissionDeniedError
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.trainer_process import BASE, ask, ended, intents, supervised, upload


def test_base_and_tuned_models_are_listed(client: OpenAI, tuned: FineTuningJob) -> None:
    models = {model.id: model for model in client.models.list()}

    assert models[BASE].owned_by == "tuneloop"
    assert models[str(tuned.fine_tuned_model)].owned_by == "local"
    assert client.models.retrieve(str(tuned.fine_tuned_model)) == models[str(tuned.fine_tuned_model)]


def test_a_deleted_model_answers_no_more(client: OpenAI) -> None:
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=upload(client, intents(20)), method=supervised(n_epochs=1)
    )
    model = str(ended(client, job.id).fine_tuned_model)
    assert ask(client, model, "my parcel is late")

    deletion = client.models.delete(model)

    assert (deletion.id, deletion.deleted) == (model, True)
    for call in (client.models.retrieve, client.models.delete, lambda gone: ask(client, gone, "my parcel is late")):
        with pytest.raises(NotFoundError) as refused:
            call(model)
        assert refused.value.code == "model_not_found"


def test_a_base_model_cannot_be_deleted(client: OpenAI) -> None:
    with pytest.raises(PermissionDeniedError):
        client.models.delete(BASE)
