"""Which learner suits the examples, and which model an artefact makes."""

from collections.abc import Sequence
from pathlib import Path

from trainer.engine.artifact import Artefact
from trainer.engine.examples import TrainingExample
from trainer.engine.linear import LinearLearner, LinearModel
from trainer.engine.model import TrainedModel
from trainer.engine.neighbour_training import NeighbourLearner
from trainer.engine.neighbours import NeighbourModel
from trainer.engine.training import Learner

MOST_CLOSED_REPLIES = 1_000
LEAST_EXAMPLES_PER_REPLY = 2


def learner_for(examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> Learner:
    """Classify where replies are a closed set (at most 1,000, each seen twice or more on average), else remember."""
    replies = len({example.reply for example in examples})
    closed = replies <= MOST_CLOSED_REPLIES and replies * LEAST_EXAMPLES_PER_REPLY <= len(examples)
    return LinearLearner(examples, held_out) if closed else NeighbourLearner(examples, held_out)


def load_model(folder: Path) -> TrainedModel:
    """Load a trained model from disk."""
    artefact = Artefact.load(folder)
    kinds: dict[str, type[LinearModel] | type[NeighbourModel]] = {
        LinearModel.kind: LinearModel,
        NeighbourModel.kind: NeighbourModel,
    }
    return kinds[artefact.kind].restored(artefact)
