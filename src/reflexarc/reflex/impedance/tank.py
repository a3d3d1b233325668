# SPDX-License-Identifier: Apache-2.0
r"""Energy tank: pays for what changes of the impedance inject, and is filled by what the damping takes out.

    T' = share * dissipated - injected,      T <= most

(Ferraguti, Secchi and Fantuzzi, ICRA 2013; Ferraguti et al., T-RO 31(4), 2015). A change that costs more than
`available`, T - least, is scaled down until it costs that. What moved the arm is measured afterwards as the exact work
of constant torques and settled; it differs from what was paid before by the change of speed within one period, far
less than `least`, and nothing more is granted below `least`. So T stays above 0: the count of underflows is 0. With S
the arm's kinetic energy and the springs' potential, S + T grows by no more than what the surroundings put in and what
`refill` allows:

    S(t) + T(t) + paid(t) <= S(0) + T(0) + integral of F . v + refill * t,

where `paid` has left the tank but not yet reached the arm (one period).
"""

import math

from reflexarc.core.errors import ConfigError


class EnergyTank:
    """The tank; every entry is in joules."""

    def __init__(
        self,
        energy: float = 2.0,
        least: float = 0.1,
        most: float = 4.0,
        share: float = 0.95,
        refill: float = 0.0,
    ):
        """Fill it.

        Args:
            energy: at first. [J]
            least: from here down nothing is granted. [J]
            most: that it holds. [J]
            share: of the dissipated energy that is kept.
            refill: that comes in without being paid for: 0 for passivity, else the arm is only bounded in power. [W]

        Raises:
            ConfigError: not 0 < least <= energy <= most, a share outside [0, 1] or a negative refill.
        """
        if not 0.0 < least <= energy <= most < math.inf:
            raise ConfigError(f"a tank needs 0 < least <= energy <= most, got {least}, {energy}, {most} J")
        if not 0.0 <= share <= 1.0 or not 0.0 <= refill < math.inf:
            raise ConfigError(f"share {share} must lie in [0, 1], refill {refill} W must not be negative")
        self.least, self.most, self.share, self.refill = least, most, share, refill
        self._first = energy
        self.reset()

    def reset(self) -> None:
        """Fill it as at first and forget the count."""
        self.energy = self._first
        self.underflows = 0
        """How often it ran empty; anything but 0 is an error of this code."""

    @property
    def available(self) -> float:
        """What a change may cost. [J]"""
        return max(0.0, self.energy - self.least)

    def settle(self, joules: float, seconds: float) -> None:
        """Take in the share of what the motion gave back in the last period, or pay what it took beyond what was paid.

        Args:
            joules: given back, negative where it took more. [J]
            seconds: of the refill. [s]
        """
        self.released(self.refill * seconds)
        if joules > 0.0:
            joules *= self.share
        self.take(-joules)

    def released(self, joules: float) -> None:
        """Take in what a spring gave back without moving anything."""
        if joules > 0.0:
            self.energy = min(self.most, self.energy + joules)

    def take(self, joules: float) -> None:
        """Pay for an injection, or take in a negative one."""
        if joules < 0.0:
            self.released(-joules)
            return
        self.energy -= joules
        if self.energy < 0.0:
            self.underflows += 1
            self.energy = 0.0
