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


class EffortWatchdog:
    """Holds the newest joint torques; where they are old, not finite or not there the arm rests instead.

    Zero torque would let the arm fall. The topic carries no stamp, so age is the plant's own time since the arrival: a
    plant that is slow or waits does not make a command old.
    """

    def __init__(self, max_age: float, resting: RestingArm):
        """Take the largest age in plant time [s], and what the arm does by itself."""
        self.max_age = max_age
        self.refused = 0
        self.received = False
        self.stale = True
        self.fresh = False
        """Whether one has come since the last step."""
        self._resting = resting
        self._torque: Array | None = None
        self._arrival = -math.inf

    def take(self, torque: Array, now: float) -> None:
        """Take torques, shape (n,) [N m], at plant time `now` [s]; those that are not finite withdraw those before."""
        self.received = self.fresh = True
        self._arrival = now
        if np.isfinite(torque).all():
            self._torque = torque
        else:
            self._torque = None
            self.refused += 1

    def torque(self, state: JointState, now: float) -> Array:
        """Return what the motors may execute in `state` at plant time `now` [s], shape (n,). [N m]"""
        self.fresh = False
        torque = self._torque
        self.stale = torque is None or now - self._arrival > self.max_age + _ROUNDING
        if torque is None or self.stale:
            return self._resting.torque(state.position, state.velocity)
        return torque


class PositionsWatchdog:
    """Holds the newest targets of a quadruped's joints; where they are old, not finite or not there: a crouch.

    Age is the plant's own time since the arrival, as for `EffortWatchdog`.
    """

    def __init__(self, max_age: float, crouch: Array):
        """Take the largest age in plant time [s], and the crouch, shape (n,). [rad]"""
        self.max_age = max_age
        self.refused = 0
        self.received = False
        self.stale = True
        self.fresh = False
        """Whether one has come since the last step."""
        self._crouch = crouch
        self._targets: Array | None = None
        self._arrival = -math.inf

    def take(self, targets: Array, now: float) -> None:
        """Take targets, shape (n,) [rad], at plant time `now` [s]; those that are not finite withdraw those before."""
        self.received = self.fresh = True
        self._arrival = now
        if np.isfinite(targets).all():
            self._targets = targets
        else:
            self._targets = None
            self.refused += 1

    def targets(self, now: float) -> Array:
        """Return to where the joints are drawn at plant time `now` [s], shape (n,). [rad]"""
        self.fresh = False
        targets = self._targets
        self.stale = targets is None or now - self._arrival > self.max_age + _ROUNDING
        return self._crouch if targets is None or self.stale else targets
