"""The trainer as a child process: the provider of the local stage, on a free port, with a key made for this run."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.process import Child, answers, free_port

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Trainer:
    """How to reach one trainer: its OpenAI-style base URL and its API key."""

    port: int
    api_key: str = field(default_factory=lambda: f"sk-local-{secrets.token_hex(16)}", repr=False)

    @property
    def base_url(self) -> str:
        """The address that an OpenAI client is given."""
        return f"{self.bedrock_url}/v1"

    @property
    def bedrock_url(self) -> str:
        """The endpoint that boto3's Bedrock clients are given."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it answers."""
        return answers(f"{self.base_url}/models", {"Authorization": f"Bearer {self.api_key}"})


def start_trainer(directory: Path, aws: Mapping[str, str] | None = None) -> tuple[Trainer, Child]:
    """Start the trainer with its state below `directory`; it takes a moment (`Trainer.is_ready`) to load its engine.

    `aws` is the environment by which its Bedrock wire finds S3, IAM and STS (`Aws.environment`).
    """
    trainer = Trainer(free_port())
    data = directory / "trainer"
    command = [sys.executable, "-m", "trainer", "--port", str(trainer.port), "--data", str(data)]
    child = Child(
        "The trainer",
        [*command, "--api-key", trainer.api_key],
        log=directory / "logs" / "trainer.log",
        cwd=ROOT,
        env={**os.environ, **aws} if aws else None,
    )
    return trainer, child
