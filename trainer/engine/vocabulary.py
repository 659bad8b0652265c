"""The vocabulary: the n-grams that are features, the rarity of each, and questions as sparse vectors of them.

Weights are the usual TF-IDF with damped counts, (1 + ln tf) * (1 + ln((1 + n) / (1 + df))). Words, characters and
earlier turns are each scaled to a fixed length, so that none drowns the others in a long conversation.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.text import CHARS, EARLIER, WORDS, Question, char_grams, earlier_grams, tokens_of, word_grams

Floats = NDArray[np.float32]
Columns = NDArray[np.int32]

BLOCKS = (WORDS, CHARS, EARLIER)
# Earlier turns count half: they say what the question is about, but aren't the question.
BLOCK_LENGTHS = np.array([1.0, 1.0, 0.5], dtype=np.float32)
_REMEMBERED_WORDS = 100_000  # whose columns are kept: words repeat, and cutting one into n-grams is what takes time


class Vocabulary:
    """N-grams in column order, and the weight of each (`idf`, float32 of the same length)."""

    def __init__(self, grams: Sequence[str], idf: Floats) -> None:
        self.grams = list(grams)
        self.idf = idf
        self._column = {gram: at for at, gram in enumerate(self.grams)}
        self._block = np.fromiter((BLOCKS.index(gram[0]) for gram in self.grams), np.int8, len(self.grams))
        self._chars_of: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.grams)

    @classmethod
    def fit(cls, questions: Sequence[Question], *, seen_at_least: int = 1, limit: int = 50_000) -> "Vocabulary":
        """Keep the n-grams that stand in at least that many questions, at most `limit`, the most frequent first."""
        seen = Counter(chain.from_iterable(_distinct_grams(questions)))
        kept = sorted(
            (gram for gram, count in seen.items() if count >= seen_at_least), key=lambda gram: (-seen[gram], gram)
        )[:limit]
        df = np.fromiter((seen[gram] for gram in kept), np.float64, len(kept))
        return cls(kept, (1 + np.log((1 + len(questions)) / (1 + df))).astype(np.float32))

    def vector(self, question: Question) -> tuple[Columns, Floats]:
        """Turn a question into its columns and their weights; n-grams that are no features are passed over."""
        counts = Counter(self._columns_in(question))
        columns = np.fromiter(counts.keys(), np.int32, len(counts))
        weights = np.fromiter(counts.values(), np.float32, len(counts))
        np.log(weights, out=weights)
        weights += 1
        weights *= self.idf[columns]
        block = self._block[columns]
        squares = np.bincount(block, weights * weights, len(BLOCKS)).astype(np.float32)
        scale = (BLOCK_LENGTHS / np.sqrt(np.maximum(squares, 1e-12))).astype(np.float32)
        return columns, weights * scale[block]

    def matrix(self, questions: Iterable[Question]) -> sp.csr_array:
        """Stack the vectors of many questions as rows (float32)."""
        vectors = [self.vector(question) for question in questions]
        ends = np.cumsum([0, *(len(columns) for columns, _ in vectors)])
        columns = np.concatenate([columns for columns, _ in vectors]) if vectors else np.empty(0, np.int32)
        weights = np.concatenate([weights for _, weights in vectors]) if vectors else np.empty(0, np.float32)
        return sp.csr_array((weights, columns, ends), shape=(len(vectors), len(self)))

    def _columns_in(self, question: Question) -> Iterator[int]:
        column = self._column
        tokens = tokens_of(question.message)
        for gram in chain(word_grams(tokens), earlier_grams(question)):
            if gram in column:
                yield column[gram]
        for token in tokens:
            yield from self._char_columns(token)

    def _char_columns(self, token: str) -> list[int]:
        columns = self._chars_of.get(token)
        if columns is None:
            columns = [self._column[gram] for gram in char_grams(token) if gram in self._column]
            if len(self._chars_of) < _REMEMBERED_WORDS:
                self._chars_of[token] = columns
        return columns


def _distinct_grams(questions: Iterable[Question]) -> Iterator[set[str]]:
    for question in questions:
        tokens = tokens_of(question.message)
        grams = set(chain(word_grams(tokens), earlier_grams(question)))
        for token in set(tokens):
            grams.update(char_grams(token))
        yield grams
