import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.trainer_process import intents
from trainer.engine.examples import Reply, TrainingExample, read_examples
from trainer.engine.linear import LinearLearner
from trainer.engine.neighbours import NeighbourLearner
from trainer.engine.selection import learner_for, load_model
from trainer.engine.text import Question, Turn, question_in
from trainer.engine.training import EpochPlan, Learner, restore_checkpoint, save_checkpoint, train_steps
from trainer.engine.vocabulary import Vocabulary

PLAN = EpochPlan(epochs=6, batch_size=8, rate_multiplier=1.0, seed=5)
LEARNERS = pytest.mark.parametrize("make", [LinearLearner, NeighbourLearner])


def examples(count: int, seed: int = 0) -> list[TrainingExample]:
    return [example for line in intents(count, seed=seed) for example in read_examples(line)]


def trained(learner: Learner, plan: EpochPlan = PLAN, *, epochs_done: int = 0) -> list[float]:
    """Train and return the loss of every step."""
    return [step.score.loss for step in train_steps(learner, plan, epochs_done=epochs_done)]


@LEARNERS
def test_training_makes_held_out_loss_fall(make: type[LinearLearner] | type[NeighbourLearner]) -> None:
    learner = make(examples(200), examples(50, seed=1))
    next(train_steps(learner, PLAN))
    before = learner.score_held_out()

    trained(learner)

    after = learner.score_held_out()
    assert after.loss < before.loss
    assert after.accuracy >= 0.9


@LEARNERS
def test_going_on_from_an_epochs_end_takes_the_same_steps(
    make: type[LinearLearner] | type[NeighbourLearner], tmp_path: Path
) -> None:
    whole = trained(make(examples(80)))
    first, second = make(examples(80)), make(examples(80))
    for step in train_steps(first, PLAN):
        if step.ends_epoch and step.epoch == 2:
            break

    save_checkpoint(tmp_path / "kept.npz", first, epochs_done=2)
    epochs_done = restore_checkpoint(tmp_path / "kept.npz", second)

    assert epochs_done == 2
    assert trained(second, epochs_done=2) == whole[20:]


@LEARNERS
def test_a_stored_model_answers_as_before_and_holds_no_pickle(
    make: type[LinearLearner] | type[NeighbourLearner], tmp_path: Path
) -> None:
    learner = make(examples(100))
    trained(learner)
    conversations = [[Turn("user", example.question.message)] for example in examples(60, seed=2)]

    learner.current_model().artifact().save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")

    assert [loaded.answer(turns) for turns in conversations] == [
        learner.current_model().answer(turns) for turns in conversations
    ]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["arrays.npz", "model.json"]
    with zipfile.ZipFile(tmp_path / "model" / "arrays.npz") as arrays, pytest.raises(pickle.UnpicklingError):
        pickle.load(io.BytesIO(arrays.read("idf.npy")))


def test_repeated_replies_are_classified_and_open_ones_remembered() -> None:
    closed = examples(20)
    open_ended = [TrainingExample(Question(f"question {at}"), Reply(f"answer {at}")) for at in range(20)]

    assert isinstance(learner_for(closed), LinearLearner)
    assert isinstance(learner_for(open_ended), NeighbourLearner)
    assert isinstance(learner_for(closed + open_ended), NeighbourLearner)


@LEARNERS
@pytest.mark.parametrize("message", ["", "???", "hello"])
def test_examples_that_say_nothing_do_no_harm(make: type[LinearLearner] | type[NeighbourLearner], message: str) -> None:
    learner = make([TrainingExample(Question(message), Reply("a"))] * 10, examples(5))

    trained(learner)

    assert learner.current_model().answer([]) == Reply("a")
    assert learner.score_held_out().accuracy == 0


def test_words_and_characters_have_the_same_length_in_every_vector() -> None:
    vocabulary = Vocabulary.fit([Question("where is my card", "hello there"), Question("a card")])

    columns, weights = vocabulary.vector(Question("my card is where, where?", "hello"))

    lengths = {
        block: float(
            np.sqrt(sum(w * w for c, w in zip(columns, weights, strict=True) if vocabulary.grams[c][0] == block))
        )
        for block in "wce"
    }
    assert lengths == pytest.approx({"w": 1.0, "c": 1.0, "e": 0.5})


def test_a_question_is_the_last_user_turn_and_the_rest_is_context() -> None:
    turns = [
        Turn("system", "s"),
        Turn("user", "one"),
        Turn("assistant", "two"),
        Turn("user", "three"),
        Turn("tool", "four"),
    ]

    assert question_in(turns) == Question("three", "one two four")
    assert question_in(turns[:1]) == Question("")
    assert question_in([Turn("assistant", "hello")]) == Question("hello", "")


def test_every_weighted_assistant_turn_is_an_example() -> None:
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two", "weight": 0},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
        {"role": "assistant", "content": "four"},
    ]

    assert list(read_examples({"messages": messages})) == [TrainingExample(Question("three", "one two"), Reply("four"))]
