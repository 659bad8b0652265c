"""The supervisor of the local stack: restarts child processes that can go on where they ended."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from local.process import Child
from local.trainer import START_TIMEOUT_S

WATCH_INTERVAL_S = 0.3  # a user notices no such pause, and a look costs one system call a process
# A process that ends more often than this within a minute would end again: its log says why, and the stack goes down.
MAX_RESTARTS = 5
RESTART_WINDOW_S = 60.0


def supervise(
    restartable: Mapping[Child, Callable[[], bool]], essential: Iterable[Child], tell: Callable[[str], None]
) -> NoReturn:
    """Watch processes until a signal ends this; restart each `restartable` one that ends, and wait until it is ready.

    ProcessError where an `essential` one ends, as its state would be lost, or a restartable one ends too often.
    """
    essential, restarts = tuple(essential), {process: list[float]() for process in restartable}
    while True:
        for process in essential:
            if not process.is_running():
                raise process.failure()
        for process, is_ready in restartable.items():
            if not process.is_running():
                _restart(process, is_ready, restarts[process], tell)
        time.sleep(WATCH_INTERVAL_S)


def _restart(process: Child, is_ready: Callable[[], bool], restarts: list[float], tell: Callable[[str], None]) -> None:
    now, failure = time.monotonic(), process.failure()
    restarts[:] = [*(at for at in restarts if now - at < RESTART_WINDOW_S), now]
    if len(restarts) > MAX_RESTARTS:
        raise failure
    tell(f"{failure}\n{process.name} is started again.")
    process.restart()
    process.wait_until(is_ready, START_TIMEOUT_S)
    tell(f"{process.name} answers again ({time.monotonic() - now:.1f} s)")
