# SPDX-License-Identifier: Apache-2.0
"""From the spring to joint torques, and the torque barrier behind it.

Stopped without a new state that can be used, the arm is braked by reckoning: from the last good state on it is taken to
move as its forward dynamics say under the torques that were sent, M q'' + nle = tau. That takes the velocity away and
holds the weight where the arm is then; what the model gets wrong is left to the friction of the joints, as it must be
where nothing is measured. Holding the last good place's gravity alone would let a moving arm go on, and braking against
a velocity that is no longer measured would drive it.
"""

import math
from collections.abc import Sequence

import numpy as np

from reflexarc.arc.arm_barrier import ArmBarrierStage
from reflexarc.arc.arm_modes import ArmModeStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.stage import Tick
from reflexarc.barrier.arm.scene import SphereObstacles, no_obstacles
from reflexarc.core.types import Array, ContactVerdict, JointState, Spheres
from reflexarc.robots.arm import Arm, require_pinocchio


def _kept(array: Array) -> Array:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


class ImpedanceStage:
    """Makes the command, and says in the tick what the arm does."""

    name = "impedance"

    def __init__(self, motion: ContactMotion):
        """Take what the other stages made of the action."""
        self._motion = motion

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Command the torques of the impedance."""
        motion = self._motion
        tip, spring, tank = motion.tip, motion.spring, motion.tank
        tick.command[:] = motion.law.command(spring, motion.braking, motion.period, tank)
        motion.live = motion.credit = True
        tick.contact = ContactVerdict(
            _kept(tip.position),
            _kept(tip.velocity),
            _kept(motion.force),
            _kept(spring.reference),
            _kept(spring.stiffness),
            motion.push,
            motion.peak,
            motion.braking,
            tank.energy,
            tank.underflows,
            motion.who,
            motion.reflexes,
        )


class ContactBarrierStage(ArmBarrierStage):
    """The torque barrier; tells the motion when torques leave otherwise than the impedance made them."""

    def __init__(self, config: ArcConfig, arm: Arm, modes: ArmModeStage, motion: ContactMotion):
        """Build and compile the filter; see `ArmBarrierStage`."""
        super().__init__(config, arm, modes)
        assert self._torque is not None
        self._filter = self._torque
        self._motion = motion
        self._period = config.period
        self._nothing = no_obstacles()
        self._pin, self._data = require_pinocchio(), arm.model.createData()

    def reset(self) -> None:
        """Forget the last command and that a state was ever seen."""
        super().reset()
        self._reckoned: tuple[Array, Array] | None = None
        self._seen = -math.inf

    def halt(self, tick: Tick) -> Sequence[float]:
        """Return the torques that stop the arm; the next impedance begins anew at the measured tip."""
        self._motion.live = self._motion.credit = False
        state = tick.state
        if (
            usable(state, self.arm)
            and state.stamp > self._seen
            and abs(tick.now - state.stamp) <= self._freshness
        ):
            self._see(state)
            return super().halt(tick)
        if self._reckoned is None or self._last is None:
            return super().halt(tick)
        self._reckon()
        command = self._filter.brake(*self._reckoned)
        self.sent(command)
        return command.tolist()

    def _see(self, state: JointState) -> None:
        self._seen, self._reckoned = state.stamp, (state.position, state.velocity)

    def _reckon(self) -> None:
        if self._reckoned is not None and self._last is not None:
            self._reckoned = self._ahead(*self._reckoned, self._last)

    def _ahead(self, q: Array, dq: Array, torque: Array) -> tuple[Array, Array]:
        """Return position and velocity one period later, by the midpoint rule."""
        model, half = self.arm.model, 0.5 * self._period
        middle = dq + half * self._pin.aba(model, self._data, q, dq, torque)
        q_middle = q + half * dq
        dq = dq + self._period * self._pin.aba(model, self._data, q_middle, middle, torque)
        return q + self._period * middle, np.clip(
            dq, -self.arm.max_velocity, self.arm.max_velocity
        )  # stays bounded

    def apply(self, tick: Tick) -> None:
        """Replace the command by the nearest admissible one."""
        motion = self._motion
        if tick.state.stamp > self._seen:
            self._see(tick.state)
        else:
            self._reckon()
        self.external = motion.force @ motion.tip.jacobian[:3]
        super().apply(tick)
        if not tick.done and not (tick.command == motion.law.torque).all():
            motion.credit = False

    def _inflated(self, spheres: Spheres, stamp: float, now: float) -> SphereObstacles:
        return self._nothing if len(spheres) == 0 else super()._inflated(spheres, stamp, now)


def usable(state: object, arm: Arm) -> bool:
    """Whether a state is one of this arm and finite."""
    return (
        isinstance(state, JointState)
        and state.joints == arm.joints
        and bool(np.isfinite(state.position + state.velocity).all())
    )
