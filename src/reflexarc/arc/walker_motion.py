# SPDX-License-Identifier: Apache-2.0
"""What the stages of a quadruped share: what is known of it, the recovery policy, and what was sent last.

What stops a quadruped is never zero: with a usable state the recovery policy, at its own rate inside the arc, is told
to come to rest and to stand; without one, or where the policy gives nothing finite, it is brought to a crouch, in which
it stays up without knowing anything.
"""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Array, WalkerState, WalkerVerdict
from reflexarc.robots.quadruped import Quadruped
from reflexarc.walking.observation import CONTROL_PERIOD
from reflexarc.walking.policy import WalkingPolicy
from reflexarc.walking.recovery import going_along

RECOVERY, CROUCH = "recovery", "crouch"
_ROUNDING = 1e-6
"""Far below any period. [s]"""


class WalkerMotion:
    """One tick of a quadruped, and what of the ticks before still counts."""

    def __init__(self, config: ArcConfig, robot: Quadruped, recovery: WalkingPolicy | None):
        """Take the limits of targets; without a recovery policy the crouch takes its place."""
        self._recovery = recovery
        self._step, self._brake = config.walker.target_step_rad, config.walker.brake_s
        self._along = config.walker.rule == "along"
        self.stance, self.crouch = np.tile(robot.stance, 4), np.tile(robot.crouch, 4)
        self.low, self.high = np.tile(robot.lower, 4), np.tile(robot.upper, 4)
        self.threshold = math.nan
        """Of the risk; NaN without a critic."""
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.known: WalkerState | None = None
        """The state of this tick, once it has passed its checks."""
        self.reflex = False
        self.began = -math.inf
        """When the reflex took over. [s]"""
        self.reflexes = 0
        self.sent: Array | None = None
        """Targets of the tick before, shape (12,). [rad]"""
        self._count, self._acted, self._halted = 0, -1, -1
        self._due = self._since = -math.inf
        self._targets, self._who = self.crouch, CROUCH

    def begin(self) -> None:
        """Begin a tick, of which nothing is known yet."""
        self.known = None
        self._count += 1

    def recover(self, tick: Tick, share: float) -> tuple[Array, str]:
        """Return the recovery's targets, shape (12,) [rad], and who gave them.

        The policy is stepped at its own rate; when it has not acted in the tick before, it begins anew from the targets
        that were sent last.

        Args:
            tick: this one.
            share: of the trunk's velocity that it is told to walk at; 0: stand.
        """
        if self.known is None or self._recovery is None:
            return self.crouch, CROUCH
        now, policy = tick.now, self._recovery
        told = going_along(self.known.velocity[None], share)[0]
        if self._acted < self._count - 1:
            policy.reset(told)
            policy.follow(self.stance if self.sent is None else self.sent)
            self._due = now
        self._acted = self._count
        if now >= self._due - _ROUNDING:
            self._due += CONTROL_PERIOD
            if self._due <= now:  # ticks are missing
                self._due = now + CONTROL_PERIOD
            proposal = policy.propose(self.known, told, now)
            if proposal is None:
                self._targets, self._who = self.crouch, CROUCH
            else:
                self._targets, self._who = proposal.target, RECOVERY
        if self._who == CROUCH and "recovery_failed" not in tick.faults:
            tick.faults.append("recovery_failed")
        return self._targets, self._who

    def halt(self, tick: Tick) -> list[float]:
        """Return the targets that stop the robot, within their limits; for `Arc` and `Tick.stop`."""
        if self._halted < self._count - 1:
            self._since = tick.now
        self._halted = self._count
        share = 1.0 - (tick.now - self._since) / self._brake if self._brake > 0.0 else 0.0
        targets, who = self.recover(tick, min(max(share, 0.0), 1.0))
        self.sent = self.limited(targets)
        self.say(tick, who)
        return self.sent.tolist()

    def react(self, tick: Tick) -> tuple[Array, str]:
        """Return the targets of a reflex, shape (12,) [rad], and who gave them."""
        return self.recover(tick, 1.0 if self._along else 0.0)

    def limited(self, targets: Array) -> Array:
        """Return targets within the joints' ranges, none farther from the tick before than allowed, shape (12,). [rad]

        Where nothing was sent yet, the joints' measured positions are what was before; where they are not known either
        there is nothing to be near to.
        """
        before = self.sent
        if before is None:
            if self.known is None:
                return np.clip(targets, self.low, self.high)
            before = np.clip(self.known.position, self.low, self.high)
        near = np.clip(targets, before - self._step, before + self._step)
        return np.clip(near, self.low, self.high)

    def say(self, tick: Tick, who: str) -> None:
        """Write into the tick who gave its targets."""
        tick.walker = WalkerVerdict(who, self.reflexes, self.threshold)
