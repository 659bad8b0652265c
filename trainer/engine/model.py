"""Answering: the port that every model fills, trained or not."""

from collections.abc import Sequence
from typing import Protocol

from trainer.engine.artifact import Artefact
from trainer.engine.examples import Reply
from trainer.engine.text import Turn


class AnsweringModel(Protocol):
    """Something that answers conversations, always the same way."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply to a conversation."""


class TrainedModel(AnsweringModel, Protocol):
    """A model that can be stored."""

    def artefact(self) -> Artefact:
        """Return everything that this model is made of."""
