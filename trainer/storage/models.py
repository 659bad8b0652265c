"""Models: the base models, and the tuned models of jobs, each with a folder on disk."""

import shutil
from pathlib import Path

from trainer.engine.model import Artifact
from trainer.storage.bedrock import BEDROCK
from trainer.storage.rows import RowStore
from tuneloop.openai_wire.models import ModelObject

OWNER = "tuneloop"
ORGANIZATION = "local"
BASE_MODELS = (ModelObject(id="tuneloop-linear-1", created=1_763_596_800, owned_by=OWNER),)

_KIND = "model"


def base_model(model_id: str) -> ModelObject | None:
    """Return the base model with this id, or None."""
    return next((model for model in BASE_MODELS if model.id == model_id), None)


class ModelStore:
    """The store of models: rows, and a folder with the artifacts of tuned models."""

    def __init__(self, rows: RowStore, folder: Path) -> None:
        self._rows = rows
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def folder(self, model_id: str) -> Path:
        """Return the folder of a tuned model's artifact."""
        return self._folder / model_id.replace(":", "_")

    def store(self, model_id: str, artifact: Artifact) -> None:
        """Write a tuned model's artifact to disk; the model isn't listed before it is added."""
        artifact.save(self.folder(model_id))

    def add(self, model_id: str, *, created: int) -> None:
        """Add a tuned model, whose artifact has been stored, to the list."""
        model = ModelObject(id=model_id, created=created, owned_by=ORGANIZATION)
        wire = BEDROCK if model_id.startswith(f"{BEDROCK}:") else ""
        self._rows.add(_KIND, model_id, model.model_dump_json(), parent=wire)

    def get(self, model_id: str) -> ModelObject | None:
        """Return the base or tuned model with this id, or None."""
        body = self._rows.get(_KIND, model_id)
        return ModelObject.model_validate_json(body) if body else base_model(model_id)

    def all(self) -> tuple[ModelObject, ...]:
        """Return the base models, then the tuned models of OpenAI's wire, newest first."""
        return (*BASE_MODELS, *(ModelObject.model_validate_json(body) for body in self._rows.newest_first(_KIND)))

    def sweep(self) -> None:
        """Delete incomplete artifacts, which an interrupted `store` left."""
        for unfinished in self._folder.glob(".*.unfinished"):
            shutil.rmtree(unfinished)

    def remove(self, model_id: str) -> bool:
        """Delete a tuned model and its artifact, and return whether it existed."""
        existed = self._rows.remove(_KIND, model_id)
        if existed:
            shutil.rmtree(self.folder(model_id), ignore_errors=True)
        return existed
