# SPDX-License-Identifier: Apache-2.0
"""What keeps a control loop on time: real-time scheduling where allowed, no garbage collection in mid-tick."""

import gc
import os


def enter_realtime(priority: int) -> str:
    """Freeze the garbage collector and ask for first-in-first-out scheduling of this thread.

    Args:
        priority: 1 (least urgent) to 99; 0 keeps normal scheduling.

    Returns:
        Why the scheduling was refused, or nothing.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    if priority == 0:
        return ""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return (
            f"no real-time scheduling at priority {priority} ({error.strerror}); the loop runs with normal priority. "
            "Allow it with `ulimit -r` or CAP_SYS_NICE, or set realtime_priority to 0"
        )
    return ""


def leave_realtime() -> None:
    """Return to normal scheduling and garbage collection."""
    gc.enable()
    gc.unfreeze()
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
