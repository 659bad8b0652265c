"""One deployed stack for the tests that talk to it, each with a tenant of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import OpenAI

from local.stack import ROOT, LocalStack
from tuneloop.cli.api import ApiClient

SAMPLE = ROOT / "local" / "data" / "support.jsonl"


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # each has a stack of its own, and two can't share a directory
    with LocalStack(ROOT / "build" / f"e2e{worker}") as running:
        yield running


@dataclass
class Command:
    """The `tuneloop` command as an operator of the local stage runs it."""

    stack: LocalStack
    clients: ExitStack
    key: str = ""

    @property
    def api(self) -> ApiClient:
        """Tuneloop's routes with the command's key."""
        return self.clients.enter_context(ApiClient(self.stack.base_url, self.key))

    def openai(self, key: str = "") -> OpenAI:
        """The unmodified OpenAI client with the command's key, or another."""
        client = OpenAI(base_url=self.stack.base_url, api_key=key or self.key, max_retries=0)
        return self.clients.enter_context(client)

    def run(self, *arguments: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, **self.stack.environment(), "COLUMNS": "160", "TUNELOOP_BASE_URL": self.stack.base_url}
        if self.key:
            env["TUNELOOP_API_KEY"] = self.key
        command = [str(Path(sys.executable).with_name("tuneloop")), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)

    def ok(self, *arguments: str) -> str:
        """The standard output of a command that must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def command(stack: LocalStack) -> Iterator[Command]:
    with ExitStack() as clients:
        yield Command(stack, clients)
