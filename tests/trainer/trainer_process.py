"""A trainer that really runs, and the data to try it on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

REPOSITORY = Path(__file__).parents[2]
BASE = "tuneloop-linear-1"
PROMPT = 'Answer with the one intent that fits the message, as JSON: {"intent": "<intent>"}.'
ENDED = ("succeeded", "failed", "cancelled")
TOPICS = {
    "refund": "refund money back return purchase charged",
    "delivery": "parcel courier shipped arrive tracking late",
    "password": "login password reset locked email code",
    "invoice": "invoice receipt vat billing statement copy",
    "cancel": "cancel subscription stop renewal plan ending",
}
FILLER = "please can you help me with my I have a about today still not sure what the"
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, seconds: float = 120) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class TrainerGaveUpError(Exception):
    """The trainer ended instead of starting."""


class Trainer:
    """`python -m trainer` on a free port; `start` again after `kill` to go on with the same folder."""

    def __init__(self, folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        self._options = options
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> str:
        """Start, and return the URL that the trainer prints."""
        command = [sys.executable, "-m", "trainer", "--port", "0", "--data", str(self.folder), *self._options]
        environment = os.environ | {"PYTHONPATH": "shared:.", "PYTHONWARNINGS": "error", **self._environment}
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
        said = until(lambda: self._announcement(before), "the trainer starts or gives up")
        if "base models" not in said:
            raise TrainerGaveUpError(said)
        self.url = next(word for word in said.split() if word.startswith("http"))
        return self.url

    def _announcement(self, before: int) -> str | None:
        gave_up = self._process is None or self._process.poll() is not None
        said = self.log.read_bytes()[before:].decode()
        return said if gave_up or "base models" in said else None

    def kill(self) -> None:
        """End the server with no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the server to end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None


def client_of(url: str, key: str = "any") -> OpenAI:
    """Return the unmodified SDK, retrying nothing."""
    return OpenAI(base_url=url, api_key=key, max_retries=0)


def line(question: str, answer: str, **more: Any) -> dict[str, Any]:
    """Make one training line."""
    messages = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages, **more}


def intents(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Make training lines about five topics, whose words tell them apart."""
    dice = random.Random(seed)
    lines = []
    for number in range(count):
        topic = list(TOPICS)[number % len(TOPICS)]
        words = dice.sample(TOPICS[topic].split(), 2) + dice.sample(FILLER.split(), 5)
        dice.shuffle(words)
        lines.append(line(" ".join(words), f'{{"intent": "{topic}"}}'))
    return lines


def jsonl(lines: Iterable[Any]) -> bytes:
    """Write lines as a file."""
    return b"".join(orjson.dumps(value) + b"\n" for value in lines)


def upload(client: OpenAI, lines: Iterable[Any] | bytes, name: str = "train.jsonl") -> str:
    """Upload a training file and return its id."""
    content = lines if isinstance(lines, bytes) else jsonl(lines)
    return client.files.create(file=(name, content), purpose="fine-tune").id


def supervised(**hyperparameters: Any) -> Any:
    """Write a supervised method."""
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}


def ended(client: OpenAI, job_id: str, seconds: float = 120) -> FineTuningJob:
    """Wait for a job's end."""

    def look() -> FineTuningJob | None:
        job = client.fine_tuning.jobs.retrieve(job_id)
        return job if job.status in ENDED else None

    return until(look, f"{job_id} ends", seconds)


def ask(client: OpenAI, model: str, question: str, system: str = PROMPT, **more: Any) -> str:
    """Ask a model one question and return its text."""
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return client.chat.completions.create(model=model, messages=messages, **more).choices[0].message.content or ""
