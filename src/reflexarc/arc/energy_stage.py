# SPDX-License-Identifier: Apache-2.0
"""Stiffness and reference go on towards what the action wants, as far as the energy tank pays."""

from reflexarc.arc.arm_modes import ArmModeStage
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.stage import Tick

_LITTLE = 0.999
"""A larger share of the reference's step is not worth a note."""


class EnergyStage:
    """Moves the spring; afterwards it is what would be pushed with if the force barrier allowed it."""

    name = "energy"

    def __init__(self, motion: ContactMotion, modes: ArmModeStage):
        """Take the stage that knows the speed allowed to the reference."""
        self._motion, self._modes = motion, modes

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Move stiffness and reference by one period."""
        motion = self._motion
        spring, law = motion.spring, motion.law
        spring.measure(motion.tip.position)
        spring.stiffen()
        law.shape(spring.stiffness)
        share = spring.advance(law.damping, motion.tip.speeds, motion.period, self._modes.speed_limit)
        if share < _LITTLE:
            reason = (
                f"the tank holds {motion.tank.energy:.2f} J, of which {motion.tank.least:.2f} J stay: the reference "
                f"goes {100.0 * share:.0f} % of its step"
            )
            tick.note(self.name, reason, 1.0 - share)
