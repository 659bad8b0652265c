import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI

from tests.trainer.trainer_process import BASE, REPOSITORY, ended, upload

DATA = REPOSITORY.parent / "shared/data/banking77"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the Banking77 files are not beside the repository")


def accuracy(client: OpenAI, model: str, lines: list[dict[str, Any]], system: str | None = None) -> float:
    """Return the share of lines that a model answers rightly over the wire."""

    def is_right(line: dict[str, Any]) -> bool:
        prompt, question, answer = line["messages"]
        messages = [prompt if system is None else {"role": "system", "content": system}, question]
        completion = client.chat.completions.create(model=model, messages=messages)
        return bool(completion.choices[0].message.content == answer["content"])

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(is_right, lines)) / len(lines)


def test_banking77_is_learnt_to_0_905_and_beats_the_base_model(client: OpenAI) -> None:
    training, testing = DATA / "train.jsonl", DATA / "test.jsonl"
    lines = [json.loads(text) for text in testing.read_text().splitlines()]
    answers = dict.fromkeys(json.loads(text)["messages"][-1]["content"] for text in training.read_text().splitlines())

    job = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=upload(client, training.read_bytes()),
        validation_file=upload(client, testing.read_bytes()),
    )
    job = ended(client, job.id, seconds=30)
    listed = "\n".join([lines[0]["messages"][0]["content"], "", "Possible answers, one per line:", *answers])

    assert accuracy(client, str(job.fine_tuned_model), lines) >= 0.905
    assert 0.2 < accuracy(client, BASE, lines[::4], listed) < 0.6
