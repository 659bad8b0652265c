"""Preference tuning: its gradient, that it learns, and OpenAI's wire for it."""

import random
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.trainer_process import BASE, PROMPT, TOPICS, ask, ended, intents, upload
from trainer.engine.examples import PreferencePair, Reply, read_examples, read_pair
from trainer.engine.linear import LinearLearner, LinearModel
from trainer.engine.preferences import PreferenceLearner
from trainer.engine.text import Question
from trainer.engine.training import EpochPlan, train_steps


def preferences(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Make preference lines about the five topics: the right one, and any other that was rejected."""
    dice = random.Random(seed)
    lines = []
    for supervised in intents(count, seed=seed):
        *asked, answer = supervised["messages"]
        others = [f'{{"intent": "{topic}"}}' for topic in TOPICS if f'"{topic}"' not in answer["content"]]
        rejected = {"role": "assistant", "content": dice.choice(others)}
        given: dict[str, Any] = {"messages": asked, "tools": [], "parallel_tool_calls": True}
        lines.append({"input": given, "preferred_output": [answer], "non_preferred_output": [rejected]})
    return lines


def pairs(count: int, seed: int = 0) -> list[PreferencePair]:
    return [read_pair(line) for line in preferences(count, seed=seed)]


def dpo(**hyperparameters: Any) -> Any:
    return {"type": "dpo", "dpo": {"hyperparameters": hyperparameters}}


def a_classifier() -> LinearModel:
    learner = LinearLearner([example for line in intents(60) for example in read_examples(line)])
    for _ in train_steps(learner, EpochPlan(epochs=1, batch_size=4, rate_multiplier=0.2, seed=1)):
        pass
    return learner.current_model()


@pytest.mark.parametrize("from_a_classifier", [False, True])
def test_a_step_follows_the_numerical_gradient_of_the_loss(from_a_classifier: bool) -> None:
    learner = PreferenceLearner(pairs(20), beta=0.3, start=a_classifier() if from_a_classifier else None)
    rows = np.arange(20)
    learner.step(rows, 0.5)
    model = learner.current_model()
    before, bias = model.weights.astype(np.float64), model.bias.copy()

    def loss(weights: Any) -> float:
        model.weights[:], model.bias[:] = weights, bias
        return learner.step(rows, 0.0).loss * len(rows)

    learner.step(rows, 1.0)
    step = before - model.weights
    largest = np.argsort(-np.abs(step), axis=None)[:25]
    for at in [*largest, *np.random.default_rng(1).integers(step.size, size=10)]:
        place = np.unravel_index(at, step.shape)
        nudge = np.zeros_like(before)
        nudge[place] = 0.05
        assert step[place] == pytest.approx((loss(before + nudge) - loss(before - nudge)) / 0.1, rel=0.02, abs=2e-4)


@pytest.mark.parametrize("beta", [0.02, 0.1, 2.0])
def test_preferred_answers_win_on_held_out_pairs(beta: float) -> None:
    learner = PreferenceLearner(pairs(200), pairs(100, seed=1), beta=beta)
    before = learner.score_held_out()

    losses = [
        step.score.loss for step in train_steps(learner, EpochPlan(epochs=5, batch_size=4, rate_multiplier=1.0, seed=5))
    ]

    after = learner.score_held_out()
    assert before == pytest.approx((np.log(2), 0.5))
    assert after.accuracy > 0.95
    assert after.loss < 0.3
    assert losses[-1] < losses[0]


def test_training_from_a_classifier_changes_only_what_it_is_told_to() -> None:
    start = a_classifier()
    told = [PreferencePair(Question("send my invoice"), Reply("new answer"), Reply('{"intent": "invoice"}'))] * 10

    learner = PreferenceLearner(told, beta=1.0, start=start)
    for _ in train_steps(learner, EpochPlan(epochs=5, batch_size=4, rate_multiplier=1.0, seed=5)):
        pass

    def said(question: str) -> str | None:
        model = learner.current_model()
        return model.replies[int(model.scores(Question(question)).argmax())].content

    assert said("send my invoice") == "new answer"
    assert said("parcel courier tracking late") == '{"intent": "delivery"}'


@pytest.fixture(scope="module")
def preferred(client: OpenAI) -> FineTuningJob:
    job = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=upload(client, preferences(200)),
        validation_file=upload(client, preferences(50, seed=1), "valid.jsonl"),
        method=dpo(n_epochs=3, beta=0.2),
        suffix="preferred",
    )
    return ended(client, job.id)


def test_a_preference_job_says_what_it_did(client: OpenAI, preferred: FineTuningJob) -> None:
    events = list(client.fine_tuning.jobs.list_events(preferred.id, limit=1000))[::-1]

    metrics: list[Any] = [event.data for event in events if event.type == "metrics"]
    assert preferred.status == "succeeded"
    assert preferred.method
    assert preferred.method.dpo
    used = preferred.method.dpo.hyperparameters
    assert used
    assert (preferred.method.type, used.n_epochs, used.beta) == ("dpo", 3, 0.2)
    assert preferred.trained_tokens
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]
    assert metrics[-1]["full_valid_loss"] < np.log(2)
    assert metrics[-1]["full_valid_preference_accuracy"] > 0.9
    assert "train_mean_token_accuracy" not in metrics[-1]
    assert client.files.content(preferred.result_files[0]).text.splitlines()[-1].count(",") == 4


def test_the_model_gives_preferred_answers(client: OpenAI, preferred: FineTuningJob) -> None:
    assert ask(client, str(preferred.fine_tuned_model), "the courier is late, no tracking") == '{"intent": "delivery"}'


def test_preferences_can_start_from_a_tuned_model(client: OpenAI, tuned: FineTuningJob) -> None:
    job = client.fine_tuning.jobs.create(
        model=str(tuned.fine_tuned_model), training_file=upload(client, preferences(50)), method=dpo()
    )

    done = ended(client, job.id)

    assert done.status == "succeeded"
    assert str(done.fine_tuned_model).startswith(f"ft:{BASE}:local:")
    assert ask(client, str(done.fine_tuned_model), "reset my password please") == '{"intent": "password"}'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messages": []}, "Line 11 has no list of 'input.messages'"),
        ({"input": {"messages": [{"role": "assistant", "content": "a"}]}}, "has an input that ends with an assistant"),
        ({"input": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}}, "a message in its input"),
        ({"preferred_output": []}, "Line 11 has no list 'preferred_output'"),
        ({"non_preferred_output": [{"role": "user", "content": "a"}]}, "a message in its 'non_preferred_output'"),
        ({"non_preferred_output": preferences(1)[0]["preferred_output"]}, "prefers an answer to itself"),
    ],
)
def test_a_bad_preference_line_fails_the_job(client: OpenAI, change: dict[str, Any], said: str) -> None:
    bad = change if "messages" in change else preferences(1)[0] | change
    file_id = upload(client, [*preferences(10), bad])

    failed = ended(client, client.fine_tuning.jobs.create(model=BASE, training_file=file_id, method=dpo()).id)

    assert failed.error
    assert failed.error.code == "invalid_training_file"
    assert said in failed.error.message


def test_a_supervised_file_is_no_preference_file(client: OpenAI) -> None:
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, intents(10)), method=dpo())

    failed = ended(client, job.id)

    assert failed.error
    assert "Line 1 has no list of 'input.messages'" in failed.error.message
    assert PROMPT not in failed.model_dump_json()
