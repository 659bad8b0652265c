"""Children end with us: all of their group, in good order or not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.process import Child, ProcessError, free_port, listens
from tests.local.waits import within

ROOT = Path(__file__).parents[2]
# A child that starts a grandchild, says who they are, and ignores a polite request to end.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), grandchild.pid, flush=True)
time.sleep(60)
"""
POLITE = "import time; print('up', flush=True); time.sleep(60)"


def start(tmp_path: Path, code: str) -> Child:
    return Child("A child", [sys.executable, "-c", code], log=tmp_path / "child.log", cwd=tmp_path)


def exists(pid: int) -> bool:
    """Whether a process runs; a zombie waiting to be collected does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_stopping_a_child_ends_it_and_tells_nobody_else(tmp_path: Path) -> None:
    child = start(tmp_path, POLITE)
    child.wait_until(lambda: "up" in child.log.read_text(), 10)

    child.stop()

    assert not child.is_running()
    child.stop()  # twice is as good as once


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_stopping_a_stubborn_child_kills_its_grandchildren_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.process.STOP_TIMEOUT_S", 0.2)
    child = start(tmp_path, STUBBORN)
    child.wait_until(lambda: "\n" in child.log.read_text(), 10)
    pids = [int(pid) for pid in child.log.read_text().split()]

    child.stop()

    assert within(5, lambda: not any(exists(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can leash a process to its parent")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    code = f"""
import time
from pathlib import Path
from local.process import Child
child = Child("A child", [{sys.executable!r}, "-c", {POLITE!r}], log=Path({str(log)!r}), cwd=Path({str(tmp_path)!r}))
child.wait_until(lambda: "up" in Path({str(log)!r}).read_text(), 10)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        os.kill(parent.pid, signal.SIGKILL)

    assert within(5, lambda: not exists(child))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_deaf_to_ctrl_c_ends_by_each_signal_and_tidies_up(tmp_path: Path, ends: signal.Signals) -> None:
    log = tmp_path / "child.log"
    code = f"""
import signal, sys
from pathlib import Path
from local.process import Child, termination_unwinds
with termination_unwinds():
    child = Child("A child", [{sys.executable!r}, "-c", {POLITE!r}], log=Path({str(log)!r}), cwd=Path("/"))
    try:
        child.wait_until(lambda: "up" in child.log.read_text(), 10)
        print(child.pid, flush=True)
        signal.pause()
    finally:
        child.stop()
        print("tidied up", flush=True)
"""
    program = tmp_path / "program.py"
    program.write_text(code)
    # A shell without job control has what it puts in the background ignore SIGINT.
    command = f"PYTHONPATH={ROOT} {sys.executable} {program} & echo $!; wait"
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        parent, child = (int(shell.stdout.readline()) for _ in range(2))

        os.kill(parent, ends)

        assert shell.stdout.readline() == "tidied up\n"
        shell.wait(60)

    assert within(5, lambda: not exists(child) and not exists(parent))


def test_nohup_still_means_that_a_closed_terminal_ends_nothing() -> None:
    code = """
import signal
from local.process import termination_unwinds
with termination_unwinds():
    print("up", flush=True)
    signal.pause()
"""
    command = ["sh", "-c", f"trap '' HUP; exec {sys.executable} -c '{code}'"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"

        program.send_signal(signal.SIGHUP)
        program.send_signal(signal.SIGTERM)

        assert program.wait(60) == 128 + signal.SIGTERM


def test_a_child_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; print('no such port'); sys.exit(3)")

    with pytest.raises(ProcessError, match=r"A child ended with status 3(?s:.*)no such port"):
        child.wait_until(lambda: False, 10)


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    child = start(tmp_path, POLITE)

    with pytest.raises(ProcessError, match="A child was not ready within 0 s"):
        child.wait_until(lambda: False, 0.1)

    child.stop()


def test_a_free_port_is_one_that_nobody_listens_on() -> None:
    assert not listens(free_port())
