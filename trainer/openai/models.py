"""`/v1/models`: the models that a chat may name."""

from fastapi import APIRouter

from trainer.context import Context, Trainer
from trainer.openai.errors import RefusalError
from trainer.storage.models import base_model
from tuneloop.openai_wire.models import ModelList, ModelObject
from tuneloop.openai_wire.pages import Deleted

router = APIRouter(prefix="/v1/models")


def no_such_model(model_id: str) -> RefusalError:
    """Return the refusal of a request for a model that doesn't exist."""
    return RefusalError(404, "model_not_found", f"The model '{model_id}' does not exist.", "model")


@router.get("")
def list_models(trainer: Trainer) -> ModelList:
    """List the base models and the tuned ones."""
    return ModelList(data=[_with_shutdown_date(trainer, model) for model in trainer.home.models.all()])


@router.get("/{model_id}")
def retrieve(trainer: Trainer, model_id: str) -> ModelObject:
    """Return one model's object."""
    model = trainer.home.models.get(model_id)
    if not model:
        raise no_such_model(model_id)
    return _with_shutdown_date(trainer, model)


def _with_shutdown_date(trainer: Context, model: ModelObject) -> ModelObject:
    """Return a model with the date of its shutdown, if one is announced; a tuned model ends with its base model."""
    base = model.id.split(":")[1] if model.id.startswith("ft:") else model.id
    return model.model_copy(update={"shutdown_date": trainer.options.shutdown_dates.get(base)})


@router.delete("/{model_id}")
def delete(trainer: Trainer, model_id: str) -> Deleted:
    """Delete a tuned model; base models stay."""
    if base_model(model_id):
        raise RefusalError(403, "model_not_deletable", f"The base model '{model_id}' cannot be deleted.", "model")
    if not trainer.home.models.remove(model_id):
        raise no_such_model(model_id)
    trainer.model_cache.forget(model_id)
    return Deleted(id=model_id, object="model")
