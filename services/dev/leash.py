"""Run a program that dies with the process that started it: `leash.py SIGNAL PARENT_PID PROGRAM [ARGUMENT…]`.

Linux sends SIGNAL to the program when its starter is gone, also after `kill -9` (prctl(2), PR_SET_PDEATHSIG). The wish
survives exec and `unshare --user`; it is dropped only for programs that gain privileges. This is a file to run, not to
import: setting it between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    death_signal, parent_pid, *program = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The starter may have died before the wish was made: then nobody would ever send the signal.
    if os.getppid() != int(parent_pid):
        sys.exit("the starter is gone")
    # Python ignores these for itself, and ignored signals stay ignored across exec.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    os.execvp(program[0], program)  # noqa: S606 - becoming that program is the point


if __name__ == "__main__":
    main()
