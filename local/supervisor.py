"""Supervisor: watches child processes, and starts again those that can go on where they ended."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from local.process import Child
from local.trainer import START_TIMEOUT_S

WATCH_S = 0.3  # how soon the end of a process is noticed; looking costs a system call
# A process that ends more often than this within a minute won't stay up: its log says why, and the stack goes down.
MOST_RESTARTS = 5
RESTARTS_WITHIN_S = 60.0


def supervise(
    restarted: Mapping[Child, Callable[[], bool]], needed: Iterable[Child], tell: Callable[[str], None]
) -> NoReturn:
    """Watch processes until a signal ends this: start the `restarted` again, each until it is ready, and say so.

    ProcessError where one of the `needed` ends, whose state would be lost, or where another won't stay up.
    """
    needed, restarts = tuple(needed), {process: list[float]() for process in restarted}
    while True:
        for process in needed:
            if not process.is_running():
                raise process.failure()
        for process, is_ready in restarted.items():
            if not process.is_running():
                _start_again(process, is_ready, restarts[process], tell)
        time.sleep(WATCH_S)


def _start_again(
    process: Child, is_ready: Callable[[], bool], restarts: list[float], tell: Callable[[str], None]
) -> None:
    now, failure = time.monotonic(), process.failure()
    restarts[:] = [*(at for at in restarts if now - at < RESTARTS_WITHIN_S), now]
    if len(restarts) > MOST_RESTARTS:
        raise failure
    tell(f"{failure}\n{process.name} is started again.")
    process.restart()
    process.wait_until(is_ready, START_TIMEOUT_S)
    tell(f"{process.name} answers again ({time.monotonic() - now:.1f} s)")
