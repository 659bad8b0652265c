"""Steps of a script that was written for OpenAI's fine-tuning, by its unmodified SDK."""

import json
from io import BytesIO
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from tests.examples import chat
from tests.functions import steps
from tests.world import World

Job = Any
PROMPT = "Classify the message."


def jsonl(lines: list[Any]) -> BytesIO:
    return BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def uploaded(client: OpenAI, lines: list[Any] | None = None) -> str:
    """The id of a file of these lines, or of questions with two answers."""
    content = jsonl(lines or [chat(f"Where is order {n}?", ("late", "lost")[n % 2], PROMPT) for n in range(40)])
    return client.files.create(file=("train.jsonl", content), purpose="fine-tune").id


def created(client: OpenAI, file: str, **fields: Any) -> Job:
    return client.fine_tuning.jobs.create(training_file=file, model=steps.BASE_MODEL, **fields)


def ended(world: World, client: OpenAI, job: str) -> Job:
    """A job at its end, after all that it leads to was delivered."""
    world.settle()
    steps.followed(world, job)
    world.settle()
    return client.fine_tuning.jobs.retrieve(job)


def refusal(ask: Any, **fields: Any) -> APIStatusError:
    with pytest.raises(APIStatusError) as refused:
        ask(**fields)
    return refused.value
