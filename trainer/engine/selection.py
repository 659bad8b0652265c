"""Selection of a learner by its examples, and of a model's class by its artifact."""

from collections.abc import Sequence
from pathlib import Path

from trainer.engine.artifact import Artifact
from trainer.engine.examples import TrainingExample
from trainer.engine.linear import LinearLearner, LinearModel
from trainer.engine.model import TrainedModel
from trainer.engine.neighbour_training import NeighbourLearner
from trainer.engine.neighbours import NeighbourModel
from trainer.engine.training import Learner

# Above this a classifier's weights leave too few features for each reply (`linear.MAX_WEIGHTS`).
MAX_CLOSED_REPLIES = 1_000
# A reply that was seen once only can't be told from one that is open.
LEAST_EXAMPLES_PER_REPLY = 2


def learner_for(examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> Learner:
    """Return a classifier's learner where replies are a closed set, a nearest-neighbour learner where they are open.

    Closed: at most 1,000 different ones, each seen twice or more on average.
    """
    replies = len({example.reply for example in examples})
    closed = replies <= MAX_CLOSED_REPLIES and replies * LEAST_EXAMPLES_PER_REPLY <= len(examples)
    return LinearLearner(examples, held_out) if closed else NeighbourLearner(examples, held_out)


def load_model(folder: Path) -> TrainedModel:
    """Load a trained model from disk."""
    artifact = Artifact.load(folder)
    kinds: dict[str, type[LinearModel] | type[NeighbourModel]] = {
        LinearModel.kind: LinearModel,
        NeighbourModel.kind: NeighbourModel,
    }
    return kinds[artifact.kind].from_artifact(artifact)
