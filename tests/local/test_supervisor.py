"""What `make local` does when one of its processes ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from openai import OpenAI

from local.process import Child, ProcessError
from local.supervisor import MAX_RESTARTS, supervise
from local.trainer import START_TIMEOUT_S, start_trainer
from tests.local.waits import within


class OverError(Exception):
    """What a test ends the supervisor with, as a signal would."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Start Python code as a child."""
    with ExitStack() as cleanup:

        def start(code: str) -> Child:
            child = Child("A child", [sys.executable, "-c", code], log=tmp_path / "child.log", cwd=tmp_path)
            cleanup.callback(child.stop)
            return child

        yield start


def test_a_killed_trainer_comes_back_at_its_address_with_its_files(tmp_path: Path) -> None:
    trainer, child = start_trainer(tmp_path)
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if "answers again" in text:
            raise OverError

    try:
        child.wait_until(trainer.is_ready, START_TIMEOUT_S)
        with OpenAI(base_url=trainer.base_url, api_key=trainer.api_key, max_retries=0) as client:
            file = client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
            killed = child.pid
            os.kill(killed, signal.SIGKILL)

            with pytest.raises(OverError):
                supervise({child: trainer.is_ready}, (), tell)

            assert child.pid != killed
            assert [found.id for found in client.files.list()] == [file.id]
    finally:
        child.stop()
    assert said[0].startswith("The trainer ended with status -9; the end of ")
    assert said[0].endswith("The trainer is started again.")


def test_a_process_that_is_needed_is_not_started_again(run: Callable[[str], Child]) -> None:
    child = run("import sys; print('out of memory'); sys.exit(4)")

    with pytest.raises(ProcessError, match=r"A child ended with status 4(?s:.*)out of memory"):
        supervise({}, (child,), print)


def test_a_process_that_does_not_stay_up_ends_the_watch(run: Callable[[str], Child]) -> None:
    child, said = run("import sys; print('no such port'); sys.exit(3)"), list[str]()

    with pytest.raises(ProcessError, match=r"A child ended with status 3(?s:.*)no such port"):
        supervise({child: lambda: True}, (), said.append)

    assert sum("is started again" in text for text in said) == MAX_RESTARTS


def test_a_process_that_runs_is_left_alone(run: Callable[[str], Child]) -> None:
    child, needed = run("import time; time.sleep(60)"), run("import time; time.sleep(60)")
    pid = child.pid
    threading.Timer(1.0, needed.stop).start()

    with pytest.raises(ProcessError):
        supervise({child: lambda: True}, (needed,), print)

    assert child.is_running()
    assert child.pid == pid
    assert within(1, lambda: not needed.is_running())
