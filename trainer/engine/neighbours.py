"""Nearest-neighbour answers, for answers that are open: the reply that was right for the most similar question.

The probability of a neighbour's reply is a softmax of `sharpness` times its cosine similarity: how much several fairly
similar questions weigh against the most similar one.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.artifact import Artifact
from trainer.engine.examples import Reply
from trainer.engine.text import Turn, question_in
from trainer.engine.vocabulary import Floats, Vocabulary

NEIGHBOURS = 16  # how many of the nearest questions have a vote, which bounds what an answer costs
FIRST_SHARPNESS = 10.0  # where training starts; it moves from there


class Neighbours(NamedTuple):
    """The rows nearest to a question, and the cosine similarity of each."""

    rows: NDArray[np.intp]
    similarity: Floats


class NeighbourModel:
    """Questions (rows of `features`), and the number of the reply to each."""

    kind = "neighbours"

    def __init__(
        self, vocabulary: Vocabulary, replies: Sequence[Reply], features: sp.csr_array, reply_of: NDArray[np.intp]
    ) -> None:
        self.vocabulary = vocabulary
        self.replies = list(replies)
        self.features = features
        self.reply_of = reply_of
        self.sharpness = FIRST_SHARPNESS
        self._by_gram = features.T.tocsr()
        self._lengths = _lengths(features)

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply that the nearest questions' weights agree on."""
        columns, values = self.vocabulary.vector(question_in(turns))
        row = sp.csr_array((values, columns, [0, len(columns)]), shape=(1, len(self.vocabulary)))
        return self.replies[self.pick(self.nearest(row))]

    def nearest(self, question: sp.csr_array, *, but: int = -1) -> Neighbours:
        """Find the nearest rows to a 1-row matrix, leaving out row `but`."""
        products = question @ self._by_gram
        similarity = products.data / (self._lengths[products.indices] * _lengths(question))
        similarity[products.indices == but] = -1
        best = np.arange(len(similarity))
        if len(best) > NEIGHBOURS:
            best = np.argpartition(-similarity, NEIGHBOURS)[:NEIGHBOURS]
        best = best[np.argsort(-similarity[best], kind="stable")]
        best = best[similarity[best] > 0]
        return Neighbours(products.indices[best], similarity[best])

    def probabilities(self, near: Neighbours) -> Floats:
        """Return the probability of each neighbour's reply."""
        powers = np.exp(self.sharpness * (near.similarity - near.similarity.max(initial=0)))
        probabilities: Floats = powers / max(float(powers.sum()), 1e-9)
        return probabilities

    def pick(self, near: Neighbours) -> int:
        """Return the number of the reply with most probability, of the first reply where nothing is near."""
        weight: dict[int, float] = defaultdict(float)
        for row, probability in zip(near.rows, self.probabilities(near), strict=True):
            weight[int(self.reply_of[row])] += float(probability)
        return max(weight, key=weight.__getitem__, default=0)

    def artifact(self) -> Artifact:
        """Store the remembered questions as a sparse matrix in half precision."""
        arrays = {
            "data": self.features.data.astype(np.float16),
            "indices": self.features.indices,
            "indptr": self.features.indptr,
            "reply_of": self.reply_of,
            "sharpness": np.float64(self.sharpness),
        }
        return Artifact(self.kind, self.vocabulary, self.replies, arrays)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "NeighbourModel":
        """Make a model out of its artifact."""
        arrays = artifact.arrays
        parts = (arrays["data"].astype(np.float32), arrays["indices"], arrays["indptr"])
        reply_of = arrays["reply_of"].astype(np.intp)
        features = sp.csr_array(parts, shape=(len(reply_of), len(artifact.vocabulary)))
        model = cls(artifact.vocabulary, artifact.replies, features, reply_of)
        model.sharpness = float(arrays["sharpness"])
        return model


def _lengths(rows: sp.csr_array) -> Floats:
    """Return the length of each row, never quite 0."""
    lengths: Floats = np.sqrt(rows.multiply(rows).sum(axis=1)) + np.float32(1e-9)
    return lengths
