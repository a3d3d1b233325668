# SPDX-License-Identifier: Apache-2.0
"""Critic and reflex of a quadruped: where a fall under the proposal is too likely, the recovery policy takes over.

It takes over at the first tick whose risk is above the threshold, NaN included, and gives back once it has lasted for
the dwell and the risk of the then newest proposal is below `release` times the threshold.
"""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.arc.walker_motion import WalkerMotion
from reflexarc.core.types import Status
from reflexarc.walking.fall import FallCritic

_ROUNDING = 1e-9
"""[s]"""


class WalkerCriticStage:
    """Sets the tick's risk, and says whether the reflex acts."""

    name = "critic"

    def __init__(self, config: ArcConfig, motion: WalkerMotion, critic: FallCritic | None):
        """Take how to act on the risk from `config`; without a critic there is neither risk nor reflex."""
        self._motion, self._critic = motion, critic
        self._dwell = config.walker.dwell_s - _ROUNDING
        self._release = config.walker.release
        wanted = config.walker.threshold
        if critic is not None:
            motion.threshold = critic.threshold if wanted is None else wanted

    def reset(self) -> None:
        """Nothing to forget: the reflex is forgotten with the first stage."""

    def apply(self, tick: Tick) -> None:
        """Judge the proposal."""
        motion = self._motion
        if self._critic is None or motion.known is None:
            return
        # targets out of range are cut later on, and were cut where the critic learned
        targets = np.clip(tick.command, motion.low, motion.high)
        tick.risk = risk = self._critic.risk(motion.known, targets)
        if math.isnan(risk):
            tick.faults.append("critic_failed")
        if motion.reflex:
            over = tick.now - motion.began >= self._dwell
            motion.reflex = not (over and risk <= self._release * motion.threshold)
        elif not risk <= motion.threshold:
            motion.reflex, motion.began = True, tick.now
            motion.reflexes += 1


class WalkerReflexStage:
    """Replaces the proposal while the reflex acts."""

    name = "reflex"

    def __init__(self, motion: WalkerMotion):
        """Take what the stages share."""
        self._motion = motion

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Put the recovery's targets in the place of the proposal's."""
        motion = self._motion
        if not motion.reflex:
            motion.say(tick, "")
            return
        targets, who = motion.react(tick)
        lasts = tick.now - motion.began
        reason = f"{who}: risk of a fall {tick.risk:.3f}, threshold {motion.threshold:.3f}, for {lasts:.3f} s"
        tick.change(self.name, targets.tolist(), reason, Status.FILTERED)
        motion.say(tick, who)
