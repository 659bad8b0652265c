"""The guard of a child process, `python child_guard.py PARENT_PID COMMAND...`: the command can't outlive its parent.

On Linux the kernel kills the command when its parent dies, even by `kill -9`, which leaves the parent no chance to
clean up. Other systems have no such call, and only an orderly end of the parent stops the command. The kernel watches
the thread that started the child, so a child has to be started from a thread that lives as long as the child.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # the number that linux/prctl.h gives it


def main() -> None:
    """Have the kernel kill this process with its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the kernel was told, and another one has this process
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is our own, and no shell is wanted


if __name__ == "__main__":
    main()
