# SPDX-License-Identifier: Apache-2.0
"""Becomes another program that the kernel kills as soon as the launcher's supervising thread is gone.

    python -I -S _exec.py LAUNCHER_PID PROGRAM [ARGUMENT ...]

A program of its own instead of a hook between fork and exec, because such hooks can deadlock in a process
with threads. `prctl(PR_SET_PDEATHSIG)` survives the exec; a launcher that died before the call is seen by
its number.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
"""The numbers that a shell gives."""


def main() -> None:
    """Arm the death signal and become the program named on the command line."""
    launcher, program = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != launcher:
        sys.exit("the launcher is gone")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_DFL
        )  # a shell starts background jobs with SIGINT ignored; exec keeps that
    try:
        os.execvp(program[0], program)
    except OSError as error:
        print(f"cannot start {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_NOT_EXECUTABLE)


if __name__ == "__main__":
    main()
