# SPDX-License-Identifier: Apache-2.0
"""The plant's own judgement of what it is commanded: the last guard before the wheels."""

import math
import time
from collections.abc import Callable

import numpy as np

from reflexarc.core.types import Array, Proposal


class CommandWatchdog:
    """Holds the newest command; answers zero when it is old, not finite or not there.

    Age is judged twice: by arrival on the steady clock, which no message can falsify, and by its stamp, so
    that a command which was delayed on its way is not mistaken for a new one.
    """

    def __init__(self, max_age: float, steady: Callable[[], float] = time.monotonic):
        """Take the largest age [s] and the steady clock."""
        self.max_age = max_age
        self.refused = 0
        self.stale = True
        self._steady = steady
        self._command: Proposal | None = None
        self._arrival = -math.inf

    @property
    def received(self) -> bool:
        """Whether any command has ever come."""
        return self._arrival > -math.inf

    def take(self, command: Proposal) -> None:
        """Take a command (stamp and twist); one that is not finite is refused and withdraws the one
        before.
        """
        self._arrival = self._steady()
        if math.isfinite(command.stamp) and np.isfinite(command.twist).all():
            self._command = command
        else:
            self._command = None
            self.refused += 1

    def command(self, now: float) -> Array:
        """Return what the plant may execute at plant time `now` [s], shape (2,). [m/s, rad/s]"""
        command = self._command
        self.stale = (
            command is None
            or self._steady() - self._arrival > self.max_age
            or not abs(now - command.stamp) <= self.max_age
        )
        return np.zeros(2) if self.stale else command.twist
