# SPDX-License-Identifier: Apache-2.0
"""The plant's own judgement of what it is commanded: the last guard before wheels and motors."""

import math
import time
from collections.abc import Callable

import numpy as np

from reflexarc.core.types import Array, JointState, Proposal
from reflexarc.robots.resting import RestingArm

_ROUNDING = 1e-9
"""[s] Far below any period."""


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


class JointsWatchdog:
    """Holds the newest command of all joints; there is none where it is old, not finite or has never come.

    The topics carry no stamp, so age is the plant's own time since the arrival: a plant that is slow or waits does not
    make a command old.
    """

    def __init__(self, max_age: float):
        """Take the largest age in plant time. [s]"""
        self.max_age = max_age
        self.refused = 0
        self.received = False
        self.stale = True
        self.fresh = False
        """Whether one has come since the last step."""
        self._command: Array | None = None
        self._arrival = -math.inf

    def take(self, command: Array, now: float) -> None:
        """Take a command, shape (n,), at plant time `now` [s]; one that is not finite withdraws the one before."""
        self.received = self.fresh = True
        self._arrival = now
        if np.isfinite(command).all():
            self._command = command
        else:
            self._command = None
            self.refused += 1

    def newest(self, now: float) -> Array | None:
        """Return the command that may be executed at plant time `now` [s], shape (n,)."""
        self.fresh = False
        self.stale = self._command is None or now - self._arrival > self.max_age + _ROUNDING
        return None if self.stale else self._command


class EffortWatchdog(JointsWatchdog):
    """Holds the newest joint torques; without any the arm rests: zero torque would let it fall."""

    def __init__(self, max_age: float, resting: RestingArm):
        """Take the largest age in plant time [s], and what the arm does by itself."""
        super().__init__(max_age)
        self._resting = resting

    def torque(self, state: JointState, now: float) -> Array:
        """Return what the motors may execute in `state` at plant time `now` [s], shape (n,). [N m]"""
        torque = self.newest(now)
        return self._resting.torque(state.position, state.velocity) if torque is None else torque


class PositionsWatchdog(JointsWatchdog):
    """Holds the newest targets of a quadruped's joints; without any the robot crouches."""

    def __init__(self, max_age: float, crouch: Array):
        """Take the largest age in plant time [s], and the crouch, shape (n,). [rad]"""
        super().__init__(max_age)
        self._crouch = crouch

    def targets(self, now: float) -> Array:
        """Return to where the joints are drawn at plant time `now` [s], shape (n,). [rad]"""
        targets = self.newest(now)
        return self._crouch if targets is None else targets
