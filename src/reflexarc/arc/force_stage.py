# SPDX-License-Identifier: Apache-2.0
"""The force barrier's stage: bounds what spring and reference push, and brakes; active whatever the critic says."""

import math

import numpy as np

from reflexarc.arc.arm_modes import ArmModeStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_config import ContactConfig
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.stage import Tick
from reflexarc.assurance.pfl import body_region
from reflexarc.barrier.contact import REASONS, ContactBarrier, ForceLimits


def force_limits(contact: ContactConfig) -> ForceLimits:
    """Return what the barrier keeps: the configured limits, and those of a body region where they are lower.

    With a region, what is met is that region, as stiff and as heavy as ISO/TS 15066 says; without one it is the
    configured surface, which cannot give way.

    Raises:
        ConfigError: the region is unknown, or contact with it is not permitted.
    """
    peak, sustained, stiffness, body = contact.peak_n, contact.sustained_n, contact.surface_n_m, math.inf
    if contact.region:
        region = body_region(contact.region)
        peak, sustained = min(peak, region.transient), min(sustained, region.quasi_static)
        stiffness, body = region.stiffness, region.mass
    return ForceLimits(
        peak, sustained, stiffness, body, contact.reserve, contact.touching_n, contact.braking_n_s_m
    )


class ForceStage:
    """Cuts the stretch of the spring and the pace of its reference to what the barrier allows."""

    name = "force_barrier"

    def __init__(self, config: ArcConfig, motion: ContactMotion, modes: ArmModeStage):
        """Build the barrier.

        Raises:
            ConfigError: see `force_limits`.
        """
        self._motion, self._modes = motion, modes
        self.barrier = ContactBarrier(force_limits(config.contact))
        self._on = config.contact.barrier

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Bound the push of the coming period."""
        motion = self._motion
        spring, tip, law = motion.spring, motion.tip, motion.law
        if not self._on:
            push = spring.stiffness @ spring.stretch + law.damping[:3, :3] @ spring.pace
            motion.push, motion.braking, motion.peak = float(np.linalg.norm(push)), 0.0, math.nan
            return
        bound = self.barrier.bound(
            spring.stiffness, spring.stretch, law.damping, spring.pace, tip.velocity, tip.translation, tip.mobility,
            motion.force, self._modes.speed_limit, motion.period,
        )  # fmt: skip
        motion.push, motion.braking, motion.peak = bound.push, bound.braking, bound.peak
        if bound.binding:
            spring.cut(bound.upright, bound.level, bound.pace, tip.position)
            reason = f"a push of {bound.wanted:.1f} N, {REASONS[bound.binding]} allows {bound.push:.1f} N"
            tick.note(self.name, reason, bound.wanted - bound.push)
        elif bound.braking > 0.0:
            x, y, z = tip.velocity.tolist()
            speed = math.sqrt(x * x + y * y + z * z)
            reason = (
                f"a force of up to {bound.peak:.1f} N is coming at {speed:.3f} m/s: braking with {bound.braking:.0f} "
                "N s/m"
            )
            tick.note(self.name, reason, bound.braking * speed)
