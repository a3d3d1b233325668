# SPDX-License-Identifier: Apache-2.0
"""Where the tool's tip is, how it moves, what mass it shows and what it feels: what every later stage reads."""

import math

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.stage import Tick
from reflexarc.arc.tare import Tare
from reflexarc.core.types import Status


class TipStage:
    """Takes in the state, settles the energy of its period, and holds the arm until its sensor is zeroed."""

    name = "tip"

    def __init__(self, config: ArcConfig, motion: ContactMotion):
        """Take what the stages share; zeroing only where the configuration asks for it."""
        c = config.contact
        self._motion, self._lost = motion, ""
        self._tare: Tare | None = None
        if c.tare_s is not None:
            self._tare = Tare(max(1, round(c.tare_s * config.rate_hz)), c.tare_most_n)
            motion.offset = self._tare.offset

    def reset(self) -> None:
        """Forget everything."""
        self._motion.reset()
        self._lost = ""
        if self._tare is not None:
            self._tare.reset()

    def apply(self, tick: Tick) -> None:
        """Compute kinematics and dynamics of the tip."""
        motion, tare = self._motion, self._tare
        motion.observe(tick.state)
        if tare is None or tare.done:
            return
        if not self._lost:
            reason, faulty = tare.add(tick.state.wrench, math.hypot(*motion.tip.velocity.tolist()))
            self._lost = reason if faulty else ""
        if self._lost:
            tick.stop(self.name, Status.LATCHED, self._lost, "wrench_offset")
        elif reason:
            tick.stop(self.name, Status.STOPPED, reason)
