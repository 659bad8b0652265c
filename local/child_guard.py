"""Runs a command that cannot outlive its parent: `python child_guard.py PARENT_PID COMMAND...`.

On Linux the kernel kills it when the parent dies, even by `kill -9`, which leaves the parent no chance to clean up.
Elsewhere there is no such call, and only an orderly end of the parent stops it. The kernel watches the thread that
started it, so children are started from the thread that lives as long as they do.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is our own, and no shell is wanted


if __name__ == "__main__":
    main()
