# SPDX-License-Identifier: Apache-2.0
"""Checks of what the machine gives to a control loop: cores, clocks, scheduling."""

import os
import time
from collections.abc import Callable

import numpy as np

from reflexarc.cli.checks.finding import Finding, Level

CORES = 2
"""The live clock was measured on two cores."""
LATENESS_LIMIT = 2.5e-3
"""Half a period at 200 Hz, beyond which a tick counts as missed. [s]"""
RESOLUTION_LIMIT = 1e-6
"""[s]"""


def check_cores(cores: int) -> Finding:
    """Judge the number of cores this process may use."""
    if cores >= CORES:
        return Finding("cores", Level.OK, str(cores))
    return Finding(
        "cores",
        Level.WARNING,
        f"{cores}; a live run needs {CORES}",
        "give the machine more, or run --lockstep",
    )


def check_clock(resolution: float, lateness: float) -> Finding:
    """Judge the steady clock.

    Args:
        resolution: of the clock. [s]
        lateness: 99th percentile of how much later than asked a sleeping process wakes. [s]
    """
    text = f"resolution {resolution * 1e9:.0f} ns, wakes up {lateness * 1e3:.2f} ms late (p99)"
    if resolution > RESOLUTION_LIMIT:
        limit = f"needed: {RESOLUTION_LIMIT * 1e9:.0f} ns"
        return Finding("clock", Level.FAILED, f"{text}; {limit}", "use a kernel with high-resolution timers")
    if lateness > LATENESS_LIMIT:
        limit = f"a tick at 200 Hz may be {LATENESS_LIMIT * 1e3:.1f} ms late"
        return Finding("clock", Level.WARNING, f"{text}; {limit}", "stop other load while a live run is on")
    return Finding("clock", Level.OK, text)


def wake_up_lateness(period: float = 2e-3, count: int = 100) -> float:
    """Return the 99th percentile of how much later than asked `count` sleeps of `period` [s] end. [s]"""
    late = []
    for _ in range(count):
        asked = time.monotonic() + period
        time.sleep(period)
        late.append(time.monotonic() - asked)
    return float(np.percentile(late, 99))


def check_scheduling(attempt: Callable[[], None]) -> Finding:
    """Judge whether the arc's process may ask for real-time scheduling.

    Args:
        attempt: asks for it; raises OSError if that is refused.
    """
    try:
        attempt()
    except OSError as error:
        text = f"real-time priority is refused ({error.strerror}); fine in simulation"
        mend = "on a robot: add '<user> - rtprio 80' to /etc/security/limits.conf and log in again"
        return Finding("scheduling", Level.WARNING, text, mend)
    return Finding("scheduling", Level.OK, "real-time priority is allowed")


def try_real_time() -> None:
    """Take the lowest real-time priority for a moment.

    Raises:
        OSError: it is not allowed.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    os.sched_setscheduler(0, policy, parameters)
