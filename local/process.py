"""Child processes that end with this one: each guarded, in its own process group, with its output in a log file."""

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

GUARD = Path(__file__).with_name("child_guard.py")
# Readiness is looked for often, as every test of the stack waits for it; a look costs one connection.
POLL_S = 0.02
# A child that was asked to end may finish what it writes; after this it is killed.
STOP_TIMEOUT_S = 5.0
# A server that doesn't answer a probe within this is not ready; the caller asks again.
PROBE_TIMEOUT_S = 5
# The signals that ask a program to end: Ctrl-C, `kill`, and a terminal that is closed.
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TAIL_LINES = 40  # of a log in an error message: enough for a traceback, little enough for a terminal


class ProcessError(RuntimeError):
    """A child that ended, or did not get ready, when it was needed; the message has the end of its log."""


class Child:
    """A running command, in our environment unless `env` replaces it; `stop` ends it and all that it started."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        self._command, self._cwd, self._env = command, cwd, env
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:  # a restart keeps what the child logged before
            return subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, str(GUARD), str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's process id, which is also its process group's."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._process.poll() is None

    def restart(self) -> None:
        """Kill what is left of the child's process group, then start its command again."""
        self.stop()
        self._process = self._start()

    def failure(self) -> ProcessError:
        """The error for a child that has ended: its exit status and the end of its log."""
        return self._failure(f"ended with status {self._process.returncode}")

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()` is true; ProcessError when the child ends first or `timeout_s` seconds pass."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running():
                raise self.failure()
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def wait(self, timeout_s: float) -> None:
        """Wait until the child has ended with status 0; ProcessError for another status, or after `timeout_s`."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failure(f"did not end within {timeout_s:.0f} s") from None
        if status != 0:
            raise self._failure(f"ended with status {status}")

    def stop(self) -> None:
        """Ask the process group to end, wait for its leader, then kill what is left of the group."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
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
    """Turn SIGINT, SIGTERM and SIGHUP into exceptions inside the block, so that `with` blocks clean up.

    SIGINT raises KeyboardInterrupt, even where the shell made this process ignore it; the others raise SystemExit. Only
    the main thread can handle signals; in any other thread this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        """Raise SystemExit with the status that shells give a program ended by a signal: 128 and its number."""
        raise SystemExit(128 + number)

    previous = {number: signal.getsignal(number) for number in END_SIGNALS}
    # A script's shell has what it starts in the background ignore SIGINT, and Python then leaves that as it is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)
    if previous[signal.SIGHUP] != signal.SIG_IGN:  # under `nohup` SIGHUP is to be ignored
        signal.signal(signal.SIGHUP, leave)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Lock `directory` against a second run; ProcessError if another one has it. The kernel frees a dead run's lock."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProcessError(f"Another run is using {directory}: wait for it, or end it first.") from None
        yield


def free_port() -> int:
    """A TCP port of this machine that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something on this machine accepts connections at `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET of `url` succeeds within `PROBE_TIMEOUT_S`."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own addresses
    try:
        with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_S):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False
