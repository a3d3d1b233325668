# SPDX-License-Identifier: Apache-2.0
"""Stages of a quadruped's arc that need no policy: the supervisor's mode, limits of the targets, the post-check."""

import numpy as np

from reflexarc.arc.stage import Tick
from reflexarc.arc.walker_motion import WalkerMotion
from reflexarc.core.types import Mode, Status


class WalkerModeStage:
    """Lets the robot walk or halts it; how fast it may walk in a mode is for whoever tells it how fast to walk."""

    name = "mode_limits"

    def reset(self) -> None:
        """Nothing to forget: the supervisor latches modes, this stage obeys them."""

    def apply(self, tick: Tick) -> None:
        """Halt in a stop mode, and in what is no mode at all."""
        if not isinstance(tick.mode, Mode) or tick.mode >= Mode.PROTECTIVE_STOP:
            name = tick.mode.name if isinstance(tick.mode, Mode) else repr(tick.mode)
            tick.stop(self.name, Status.STOPPED, f"mode {name} forbids walking")


class WalkerLimitStage:
    """Keeps targets within the joints' ranges, and their change from tick to tick."""

    name = "joint_limits"

    def __init__(self, motion: WalkerMotion):
        """Take what the stages share."""
        self._motion = motion

    def reset(self) -> None:
        """Nothing to forget: what was sent is forgotten with the first stage."""

    def apply(self, tick: Tick) -> None:
        """Cut what is too far."""
        kept = self._motion.limited(tick.command)
        beyond = np.abs(kept - tick.command)
        if beyond.any():
            reason = f"a target was {beyond.max():.3f} rad beyond its range or too far from the one before"
            tick.change(self.name, kept.tolist(), reason)


class WalkerCheckStage:
    """Refuses targets that are not finite or out of range, and keeps in mind what was sent."""

    name = "post_check"

    def __init__(self, motion: WalkerMotion):
        """Take what the stages share."""
        self._motion = motion

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Pass the targets, or stand."""
        motion, targets = self._motion, tick.command
        if not np.isfinite(targets).all():
            tick.stop(self.name, Status.BACKUP, "a target is not finite: stand", "postcheck_failed")
        elif (targets < motion.low).any() or (targets > motion.high).any():
            tick.stop(
                self.name, Status.BACKUP, "a target is beyond its joint's range: stand", "postcheck_failed"
            )
        else:
            motion.sent = targets.copy()
