"""The vocabulary: which n-grams are features, how rare each is, and questions as sparse vectors of features.

Weights are TF-IDF with logarithmic counts, (1 + ln tf) * (1 + ln((1 + n) / (1 + df))). Word n-grams, character n-grams
and the words of earlier turns are three blocks, each scaled to a fixed length, so that a long conversation doesn't
drown its question.
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
# Earlier turns count half: they show what the question is about, but they aren't the question.
BLOCK_LENGTHS = np.array([1.0, 1.0, 0.5], dtype=np.float32)
MAX_FEATURES = 50_000  # bounds the memory and the time of a training; the most frequent n-grams are kept
# From so many questions on, an n-gram has to occur in two of them: most n-grams of a large file occur once, and say
# nothing about any other question.
_LARGE_FILE = 2_000
# Bounds the cache of words: words repeat, and splitting one into character n-grams is what takes time.
_CACHED_WORDS = 100_000


class Vocabulary:
    """The n-grams of a model in the order of their columns, and the inverse document frequency of each (`idf`)."""

    def __init__(self, grams: Sequence[str], idf: Floats) -> None:
        self.grams = list(grams)
        self.idf = idf
        self._column = {gram: at for at, gram in enumerate(self.grams)}
        self._block = np.fromiter((BLOCKS.index(gram[0]) for gram in self.grams), np.int8, len(self.grams))
        self._chars_of: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.grams)

    @classmethod
    def of_training(cls, questions: Sequence[Question], *, limit: int = MAX_FEATURES) -> "Vocabulary":
        """Build the vocabulary of a training file, at most `limit` n-grams."""
        return cls.fit(questions, least_frequency=1 if len(questions) < _LARGE_FILE else 2, limit=limit)

    @classmethod
    def fit(cls, questions: Sequence[Question], *, least_frequency: int = 1, limit: int = MAX_FEATURES) -> "Vocabulary":
        """Build a vocabulary of the n-grams in at least `least_frequency` questions, the `limit` most frequent."""
        frequencies = Counter(chain.from_iterable(_distinct_grams(questions)))
        frequent = (gram for gram, frequency in frequencies.items() if frequency >= least_frequency)
        grams = sorted(frequent, key=lambda gram: (-frequencies[gram], gram))[:limit]
        df = np.fromiter((frequencies[gram] for gram in grams), np.float64, len(grams))
        return cls(grams, (1 + np.log((1 + len(questions)) / (1 + df))).astype(np.float32))

    def vector(self, question: Question) -> tuple[Columns, Floats]:
        """Return a question's columns and their weights, without the n-grams that aren't in the vocabulary."""
        counts = Counter(self._columns_in(question))
        columns = np.fromiter(counts.keys(), np.int32, len(counts))
        weights = np.fromiter(counts.values(), np.float32, len(counts))
        np.log(weights, out=weights)
        weights += 1
        weights *= self.idf[columns]
        block = self._block[columns]
        # A block without features has length 0; the minimum keeps its scale finite.
        squares = np.bincount(block, weights * weights, len(BLOCKS)).astype(np.float32)
        scale = (BLOCK_LENGTHS / np.sqrt(np.maximum(squares, 1e-12))).astype(np.float32)
        return columns, weights * scale[block]

    def matrix(self, questions: Iterable[Question]) -> sp.csr_array:
        """Return a matrix of float32 with the vector of each question as a row."""
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
            if len(self._chars_of) < _CACHED_WORDS:
                self._chars_of[token] = columns
        return columns


def _distinct_grams(questions: Iterable[Question]) -> Iterator[set[str]]:
    for question in questions:
        tokens = tokens_of(question.message)
        grams = set(chain(word_grams(tokens), earlier_grams(question)))
        for token in set(tokens):
            grams.update(char_grams(token))
        yield grams
