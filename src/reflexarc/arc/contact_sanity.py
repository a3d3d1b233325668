# SPDX-License-Identifier: Apache-2.0
"""First stage of the arc of an arm in contact: beside the checks of `arm_sanity` those of wrench and encoders.

A jump of an encoder is latched: nobody knows afterwards where the arm is. It is stopped with its speed as measured and
its weight held where that speed has brought it to from the last good place.
"""

import dataclasses
import math
from typing import Any

import numba
import numpy as np

from reflexarc.arc.arm_sanity import ArmSanityStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.sanity import SOUND
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Array, ImpedanceProposal, JointState, Status
from reflexarc.reflex.impedance.algebra import symmetric_positive
from reflexarc.robots.arm import Arm


@numba.njit(cache=True)
def _jumped(now, before, velocity, top, seconds, margin, ever):
    """Return the first joint that moved or is said to move faster than it can, or -1."""
    for j in range(now.shape[0]):
        moved = abs(now[j] - before[j])
        if moved > margin * top[j] * seconds + ever or abs(velocity[j]) > margin * top[j]:
            return j
    return -1


class ContactSanityStage(ArmSanityStage):
    """Stops the arm on any input that cannot be trusted; the first fault decides the status."""

    def __init__(self, config: ArcConfig, arm: Arm):
        """Take ages, ranges and frames from `config`, joints and their speeds from the arm."""
        self._contact = config.contact
        self._top = np.array(arm.max_velocity)
        super().__init__(config, arm)

    def reset(self) -> None:
        """Acknowledge a latched fault and forget the last inputs."""
        super().reset()
        self._lost = ""
        self._good: JointState | None = None
        self._place: Array = np.zeros(0)
        self._then = -math.inf
        self._wrench_numbers: list[float] = []
        self._wrench_new = -math.inf
        self._judged: tuple[Any, tuple[str, str]] = (None, SOUND)

    def apply(self, tick: Tick) -> None:
        """Check clock, state, encoders, surroundings, wrench and proposal, in this order."""
        if not (self._clock(tick) and self._state(tick) and self._encoders(tick)):
            return
        if self._surroundings(tick) and self._wrench(tick):
            self._proposal(tick)

    def judge_obstacles(self, obstacles: Any) -> tuple[str, str]:
        """Return the fault of the spheres and why, or `SOUND`."""
        if len(obstacles) == 0 and math.isfinite(obstacles.stamp):
            return SOUND
        return super().judge_obstacles(obstacles)

    def _encoders(self, tick: Tick) -> bool:
        state, good, c = tick.state, self._good, self._contact
        if not self._lost and good is not state:
            if good is None:  # nothing to compare the first place with, but it may be said to move too fast
                good, self._place, self._then = state, state.position, tick.now
            seconds = state.stamp - good.stamp
            joint = _jumped(
                state.position,
                good.position,
                state.velocity,
                self._top,
                seconds,
                c.encoder_margin,
                c.encoder_rad,
            )
            if joint >= 0:
                moved = state.position[joint] - good.position[joint]
                self._lost = (
                    f"{self._joints[joint]} went by {moved:.4f} rad in {seconds:.4f} s at {state.velocity[joint]:.2f}"
                    f" rad/s, its limit is {self._top[joint]:.2f} rad/s: where the arm is, is not known any more"
                )
        if self._lost:
            speed = state.velocity
            if (np.abs(speed) > c.encoder_margin * self._top).any():
                speed = np.zeros(len(speed))
            self._place = self._place + (tick.now - self._then) * speed
            self._then = tick.now
            tick.state = dataclasses.replace(state, position=self._place, velocity=speed)
            tick.stop(self.name, Status.LATCHED, self._lost, "encoder_jump")
            return False
        self._good, self._place, self._then = state, state.position, tick.now
        return True

    def _wrench(self, tick: Tick) -> bool:
        wrench, c = tick.state.wrench, self._contact
        if wrench is None:
            return self._stop(tick, "wrench_missing", "the state has no wrench")
        if wrench.frame_id != self._frame:
            return self._stop(
                tick, "frame_mismatch", f"wrench is in frame {wrench.frame_id!r}, expected {self._frame!r}"
            )
        numbers = [*wrench.force.tolist(), *wrench.torque.tolist()]
        if not (math.isfinite(wrench.stamp) and math.isfinite(sum(map(abs, numbers)))):
            return self._stop(tick, "wrench_not_finite", "a number or the stamp of the wrench is not finite")
        if not self._is_fresh(tick, "wrench", wrench.stamp, c.wrench_s):
            return False
        force, torque = math.hypot(*numbers[:3]), math.hypot(*numbers[3:])
        if force > c.wrench_range_n or torque > c.wrench_range_n_m:
            reason = (
                f"a wrench of {force:.0f} N and {torque:.0f} N m, the sensor's range is {c.wrench_range_n:.0f} N and "
                f"{c.wrench_range_n_m:.0f} N m"
            )
            return self._stop(tick, "wrench_implausible", reason)
        if numbers != self._wrench_numbers:
            self._wrench_numbers, self._wrench_new = numbers, tick.now
        elif c.frozen_s is not None and tick.now - self._wrench_new > c.frozen_s:
            reason = f"the wrench has the same bits for {tick.now - self._wrench_new:.3f} s, allowed {c.frozen_s:.3f} s"
            return self._stop(tick, "wrench_frozen", reason)
        return True

    def _proposal(self, tick: Tick) -> None:
        proposal = tick.proposal
        if proposal is None:
            tick.stop(self.name, Status.NO_PROPOSAL, "no proposal has arrived yet", "proposal_missing")
            return
        if proposal is not self._judged[0]:
            self._judged = (proposal, self._judge(proposal))
        fault, reason = self._judged[1]
        if fault:
            tick.stop(self.name, Status.NO_PROPOSAL, reason, fault)
        else:
            self._is_fresh(tick, "proposal", proposal.stamp, self._fresh.proposal_s, Status.NO_PROPOSAL)

    def _judge(self, proposal: Any) -> tuple[str, str]:
        """Return the fault of a proposal and why, or `SOUND`."""
        c = self._contact
        if not isinstance(proposal, ImpedanceProposal):
            return "proposal_misfit", "the proposal is not a goal with a stiffness"
        if proposal.frame_id != self._frame:
            return "frame_mismatch", f"proposal is in frame {proposal.frame_id!r}, expected {self._frame!r}"
        target: Array = proposal.target
        numbers = [proposal.stamp, *target.tolist(), *proposal.stiffness.ravel().tolist()]
        if not all(map(math.isfinite, numbers)):
            return "proposal_not_finite", "the proposal is not finite"
        if not symmetric_positive(proposal.stiffness, c.max_stiffness_n_m):
            return (
                "proposal_implausible",
                f"the stiffness is not symmetric and positive definite up to {c.max_stiffness_n_m:.0f} N/m",
            )
        far = math.hypot(*target.tolist())
        if far > c.target_range_m:
            return (
                "proposal_implausible",
                f"the target is {far:.2f} m from the base, allowed {c.target_range_m:.2f} m",
            )
        return SOUND
