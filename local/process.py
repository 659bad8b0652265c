"""Child processes that end with us: each in its own process group, on a leash, its output in a log file."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

LEASH = Path(__file__).with_name("child_guard.py")
POLL_S = 0.02
GRACE_S = 5.0
# What asks a program to end: Ctrl-C, `kill`, and a terminal that is closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TAIL_LINES = 40


class ProcessError(RuntimeError):
    """A child that ended or kept silent when it was needed; the message carries the end of its log."""


class Child:
    """A running command, in our environment unless `env` replaces it; `stop` ends it and everything that it started."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        self._command, self._cwd, self._env = command, cwd, env
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:  # what a child said before it was started again is kept
            return subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, str(LEASH), str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def restart(self) -> None:
        """Start the same command again after it has ended; what is left of its group is killed first."""
        self.stop()
        self._process = self._started()

    def failure(self) -> ProcessError:
        """How the child ended, with the end of its log; only of one that has."""
        return self._failure(f"ended with status {self._process.returncode}")

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return when `ready`; ProcessError when the child ends first or `timeout_s` seconds pass."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running():
                raise self.failure()
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def wait(self, timeout_s: float) -> None:
        """Return when the child has ended well; ProcessError for another status or after `timeout_s` seconds."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failure(f"did not end within {timeout_s:.0f} s") from None
        if status != 0:
            raise self._failure(f"ended with status {status}")

    def stop(self) -> None:
        """Ask the group to end, wait for its leader, then kill what is left of it."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # nobody is left in the group
            os.killpg(self.pid, number)

    def _failure(self, what: str) -> ProcessError:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        return ProcessError(f"{self.name} {what}; the end of {self.log}:\n{tail}")


@contextlib.contextmanager
def termination_unwinds() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP leave through the `with` blocks, whatever the shell made this process deaf to.

    Only a main thread can listen to signals; any other changes nothing. SIGINT raises KeyboardInterrupt, the others
    SystemExit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        """End as a shell tells of a signal: by 128 and its number."""
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDING}
    # A script's shell has what it starts in the background ignore SIGINT, and Python then leaves that as it is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)
    if before[signal.SIGHUP] != signal.SIG_IGN:  # `nohup` asks for it to be ignored, and means it
        signal.signal(signal.SIGHUP, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Keep a second run out of `directory` while this one lasts; the kernel lets go of the lock with the process."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProcessError(f"Another run is using {directory}: wait for it, or end it first.") from None
        yield


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something on this machine accepts connections at `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET of `url` succeeds."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own addresses
    try:
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False
