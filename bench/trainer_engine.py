"""The trainer's classifier beside scikit-learn's, on one labelled data set in one run.

`python -m bench.trainer_engine train.jsonl test.jsonl` prints the seconds to learn, the accuracy, and the milliseconds
of an answer. scikit-learn is no dependency of the project: without it (`pip install scikit-learn`) its lines are
missing.
"""

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from trainer.engine.examples import TrainingExample, read_examples
from trainer.engine.linear import LinearLearner
from trainer.engine.training import EpochPlan, train_steps

STEPS_PER_EPOCH = 150
TIMED_ANSWERS = 500  # enough for a stable average, and scikit-learn needs up to 8 ms for each


def read(path: str) -> list[TrainingExample]:
    """The examples of a file."""
    return [example for line in Path(path).read_bytes().splitlines() for example in read_examples(orjson.loads(line))]


def ours(train: list[TrainingExample], test: list[TrainingExample]) -> tuple[float, float, float]:
    """Seconds to learn, accuracy, and milliseconds an answer, of the trainer's own classifier."""
    started = time.perf_counter()
    learner = LinearLearner(train, test)
    plan = EpochPlan(learner.auto_epochs, max(1, len(train) // STEPS_PER_EPOCH), 1.0, seed=7)
    for _ in train_steps(learner, plan):
        pass
    learning_s = time.perf_counter() - started
    model = learner.current_model()
    return learning_s, learner.score_held_out().accuracy, _milliseconds(lambda row: model.scores(row.question), test)


def scikit_learn(
    train: list[TrainingExample], test: list[TrainingExample], **settings: Any
) -> tuple[float, float, float]:
    """Seconds to learn, accuracy, and milliseconds an answer, of TF-IDF with gradient descent, ten epochs like ours."""
    import numpy as np  # noqa: PLC0415 - loaded with what it is compared with
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415
    from sklearn.pipeline import FeatureUnion  # noqa: PLC0415

    started = time.perf_counter()
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    features: Any = FeatureUnion([("words", words), ("letters", letters)])
    rows = features.fit_transform([example.question.message for example in train])
    labels = np.array([example.reply.content for example in train])
    classifier: Any = SGDClassifier(random_state=0, n_jobs=2, **settings)
    for epoch in range(LinearLearner.auto_epochs):
        order = np.random.default_rng(epoch).permutation(len(labels))
        classifier.partial_fit(rows[order], labels[order], classes=sorted(set(labels)))
    learning_s = time.perf_counter() - started
    answers = classifier.predict(features.transform([example.question.message for example in test]))
    accuracy = float((answers == np.array([example.reply.content for example in test])).mean())
    return (
        learning_s,
        accuracy,
        _milliseconds(lambda row: classifier.predict(features.transform([row.question.message])), test),
    )


def _milliseconds(answer: Callable[[TrainingExample], Any], test: list[TrainingExample]) -> float:
    started = time.perf_counter()
    for row in test[:TIMED_ANSWERS]:
        answer(row)
    return (time.perf_counter() - started) / len(test[:TIMED_ANSWERS]) * 1000


def main() -> None:
    """Measure and print."""
    train, test = read(sys.argv[1]), read(sys.argv[2])
    rows: dict[str, Callable[[], tuple[float, float, float]]] = {"ours": lambda: ours(train, test)}
    if find_spec("sklearn"):
        rows["sklearn log_loss"] = lambda: scikit_learn(train, test, loss="log_loss", alpha=3e-6)
        rows["sklearn log_loss, averaged"] = lambda: scikit_learn(
            train, test, loss="log_loss", alpha=1e-6, average=True
        )
    print(f"{'':28}{'learn s':>9}{'accuracy':>10}{'answer ms':>11}")
    for name, measure in rows.items():
        seconds, accuracy, milliseconds = measure()
        print(f"{name:28}{seconds:9.1f}{accuracy:10.3f}{milliseconds:11.3f}")


if __name__ == "__main__":
    main()
