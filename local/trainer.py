"""The trainer as a child process: the provider of the local stage, on a free port, with a key of its own."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.stage import ROOT
from local.process import Child, answers, free_port

# The trainer imports its engine, numpy and scipy first, which takes seconds, and more on a busy machine.
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Trainer:
    """The addresses and the API key of one trainer."""

    port: int
    api_key: str = field(default_factory=lambda: f"sk-local-{secrets.token_hex(16)}", repr=False)

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.bedrock_url}/v1"

    @property
    def bedrock_url(self) -> str:
        """The endpoint for boto3's Bedrock clients."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether the trainer answers."""
        return answers(f"{self.base_url}/models", {"Authorization": f"Bearer {self.api_key}"})


def start_trainer(directory: Path, aws: Mapping[str, str] | None = None) -> tuple[Trainer, Child]:
    """Start the trainer with its state below `directory`; `Trainer.is_ready` says when it has loaded its engine.

    `aws` is the environment by which the trainer's Bedrock wire reaches S3, IAM and STS (`Aws.environment`).
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
