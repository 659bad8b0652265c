"""Which learner suits a file of examples, and which class of model an artifact is."""

from collections.abc import Sequence
from pathlib import Path

from trainer.engine.examples import TrainingExample
from trainer.engine.linear import LinearLearner, LinearModel
from trainer.engine.model import Artifact, TrainedModel
from trainer.engine.neighbours import NeighbourLearner, NeighbourModel
from trainer.engine.training import Learner

# With more replies than this, a classifier would get fewer than 20,000 features (`linear.MAX_WEIGHTS`).
MAX_CLOSED_REPLIES = 1_000
# On average. A reply that occurs only once looks like an open answer.
LEAST_EXAMPLES_PER_REPLY = 2


def learner_for(examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> Learner:
    """Return the learner of a classifier if the replies are a closed set, else that of a nearest-neighbour model.

    Replies are a closed set if at most `MAX_CLOSED_REPLIES` differ, and each occurs twice or more on average.
    """
    replies = len({example.reply for example in examples})
    is_closed = replies <= MAX_CLOSED_REPLIES and replies * LEAST_EXAMPLES_PER_REPLY <= len(examples)
    return LinearLearner(examples, held_out) if is_closed else NeighbourLearner(examples, held_out)


def load_model(folder: Path) -> TrainedModel:
    """Load a trained model from its artifact's folder."""
    artifact = Artifact.load(folder)
    kinds: dict[str, type[LinearModel] | type[NeighbourModel]] = {
        LinearModel.kind: LinearModel,
        NeighbourModel.kind: NeighbourModel,
    }
    return kinds[artifact.kind].from_artifact(artifact)
