"""The port of models: what answers conversations, trained or not."""

from collections.abc import Sequence
from typing import Protocol

from trainer.engine.artifact import Artifact
from trainer.engine.examples import Reply
from trainer.engine.text import Turn


class AnsweringModel(Protocol):
    """A model: it answers conversations, the same one always the same way."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply to a conversation."""


class TrainedModel(AnsweringModel, Protocol):
    """A model that can be stored."""

    def artifact(self) -> Artifact:
        """Return everything that this model is made of."""
