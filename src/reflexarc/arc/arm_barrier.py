# SPDX-License-Identifier: Apache-2.0
r"""The barrier stage of an arm: its velocity or torque filter, and what stops the arm.

The filters hold the mathematics (`reflexarc.barrier.arm`). This stage carries the obstacles to the time of the state,
inflates them by clearance, tracking noise and what they may do meanwhile,

    clearance + k sigma_p + age k sigma_v + a_o age^2 / 2,

and turns the filter's verdict into the tick's.

**Stopping** (every fault, stop mode and refused command). Joint velocities go from the last command to zero at the
deceleration limits: each tick takes away a_max T. The last command, not the measured velocity, because a state that
has gone stale would otherwise be braked for ever. Joint torques: M q'' + nle with q'' against the measured velocity, as
long as the state is fresh; afterwards the torques that hold the last good position. None before the first state: nobody
knows then what would hold the arm.
"""

import math
from collections.abc import Sequence

import numpy as np

from reflexarc.arc.arm_modes import ArmModeStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LEARNED
from reflexarc.arc.stage import Tick
from reflexarc.barrier.arm.learned import LearnedArmRows
from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, table
from reflexarc.barrier.arm.torque_filter import TorqueFilter
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import ArmVerdict
from reflexarc.barrier.arm.verdict import Status as Outcome
from reflexarc.core.types import Array, JointState, Spheres, Status
from reflexarc.robots.arm import Arm


def workspace_of(config: ArcConfig) -> Workspace:
    """Return the work space that the configuration describes."""
    arm = config.arm
    planes = np.zeros((0, 4)) if arm.table_height_m is None else table(arm.table_height_m)
    return Workspace(planes=planes, self_collision=arm.self_collision, manipulability=arm.manipulability)


class ArmBarrierStage:
    """Filters joint velocities or torques, and knows how to stop the arm."""

    name = "barrier"

    def __init__(self, config: ArcConfig, arm: Arm, modes: ArmModeStage, workspace: Workspace | None = None):
        """Build and compile the filter; takes seconds the first time on a machine.

        Args:
            config: of the arc.
            arm: the robot.
            modes: stage that knows the speed allowed to torque commands.
            workspace: what does not change around the arm; None takes the configuration's.

        Raises:
            ConfigError: gains that the period or the arm's torques cannot honour, a learned barrier for torques.
            ModelError: the learned barrier is for another arm or has no certificate that matches.
        """
        self.arm, self._config, self._modes = arm, config.arm, modes
        self._enabled = config.barrier.enabled
        self._freshness = config.freshness.state_s
        workspace = workspace_of(config) if workspace is None else workspace
        solver, most = config.barrier.solver, config.arm.obstacles
        learned = None
        if config.learned.enabled:
            learned = LearnedArmRows(
                config.learned.file,
                arm,
                config.period,
                config.learned.alpha,
                config.learned.allow_uncertified,
            )
        self.uncertified = learned is not None and learned.uncertified
        self._learned = learned is not None
        self._velocity = self._torque = None
        if config.arm.command == "velocity":
            self._velocity = VelocityFilter(
                arm,
                workspace,
                config.period,
                config.arm.alpha,
                obstacles=most,
                max_age=self._freshness,
                backend=solver,
                deadline=config.longest_solve,
                learned=learned,
            )
        else:
            self._torque = TorqueFilter(
                arm,
                workspace,
                config.arm.alpha,
                config.arm.alpha_2,
                config.arm.margin_m,
                obstacles=most,
                backend=solver,
                deadline=config.longest_solve,
                learned=learned,
            )
        self._braking = np.array(arm.max_acceleration) * config.period
        self.reset()

    def reset(self) -> None:
        """Forget the last command and that a state was ever seen."""
        self.external: Array | None = None
        """Joint torques of what presses on the arm in this tick, if anybody knows; see `TorqueFilter.step`. [N m]"""
        self._last: Array | None = None
        self._known = False

    def sent(self, command: Array) -> None:
        """Note what leaves the arc."""
        self._last = command.copy()

    def halt(self, tick: Tick) -> Sequence[float]:
        """Return the command that stops the arm, see the module."""
        state = tick.state if isinstance(tick.state, JointState) else None
        if state is not None and not (
            state.joints == self.arm.joints and np.isfinite(state.position + state.velocity).all()
        ):
            state = None
        if self._velocity is not None:
            last = self._last
            if last is None:
                last = np.zeros(self.arm.n) if state is None else np.array(state.velocity)
            command = last - np.clip(last, -self._braking, self._braking)
            command = np.clip(command, -self.arm.max_velocity, self.arm.max_velocity)
        else:
            assert self._torque is not None
            fresh = state is not None and abs(tick.now - state.stamp) <= self._freshness
            if fresh and state is not None:
                command = self._torque.brake(state.position, state.velocity)
            else:
                command = self._torque.hold() if self._known else np.zeros(self.arm.n)
        self.sent(command)
        return command.tolist()

    def apply(self, tick: Tick) -> None:
        """Replace the command by the nearest admissible one and set the tick's margin and slack."""
        state = tick.state
        self._known = True
        if not self._enabled:
            return
        obstacles = self._inflated(state.obstacles, state.stamp, tick.now)
        if self._velocity is not None:
            verdict = self._velocity.step(
                state.position, state.velocity, tick.command, obstacles, max(0.0, tick.now - state.stamp)
            )
        else:
            assert self._torque is not None
            verdict = self._torque.step(
                state.position,
                state.velocity,
                tick.command,
                obstacles,
                self._modes.speed_share,
                self.external,
            )
        self._take(tick, verdict)

    def _inflated(self, spheres: Spheres, stamp: float, now: float) -> SphereObstacles:
        """Return the spheres as the filter takes them, carried to the time of the state."""
        config = self._config
        age = max(0.0, now - spheres.stamp)
        reach = config.clearance_m + 0.5 * config.obstacle_acceleration_m_s2 * age * age
        clearance = reach + config.sigmas * (spheres.position_std + age * spheres.velocity_std)
        position = spheres.position + (stamp - spheres.stamp) * spheres.velocity
        return SphereObstacles(
            position, spheres.radius, spheres.velocity, clearance, config.obstacle_acceleration_m_s2
        )

    def _take(self, tick: Tick, verdict: ArmVerdict) -> None:
        tick.margin = verdict.h
        tick.slack = verdict.slack
        tick.learned_margin = verdict.learned_margin
        if verdict.status is Outcome.PASSED:
            return
        nearest = f"{verdict.nearest} at {verdict.h:.3f} m" if math.isfinite(verdict.h) else verdict.nearest
        if verdict.status is Outcome.BACKUP:
            failed = self._learned and math.isnan(verdict.learned_margin)
            by, fault = (LEARNED, "learned_failed") if failed else (self.name, "arm_backup")
            tick.stop(by, Status.BACKUP, f"{nearest}: {verdict.reason}: brake", fault)
            return
        reason = f"{nearest}: {verdict.reason or 'nearest command that keeps every row'}"
        if verdict.status is Outcome.RELAXED:
            reason += f"; slack {verdict.slack:.3g}"
        by = LEARNED if verdict.learned_binds else self.name
        tick.change(by, verdict.command.tolist(), reason)


class ArmCheckStage:
    """The last look at the command before it leaves: what is not finite or beyond the limits stops the arm."""

    name = "post_check"

    def __init__(self, arm: Arm, barrier: ArmBarrierStage, torque: bool):
        """Take the limits of the commanded quantity from the arm."""
        limit = arm.max_torque if torque else arm.max_velocity
        self._limit = np.array(limit) * (1.0 + 1e-9)
        self._barrier = barrier
        self._joints = arm.joints
        self._unit = "N m" if torque else "rad/s"

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Pass the command or stop the arm."""
        excess = np.abs(tick.command) - self._limit
        if not (excess <= 0.0).all():  # also where it is not finite
            joint = int(np.argmax(np.where(np.isnan(excess), np.inf, excess)))
            command = f"{tick.command[joint]:.3f} {self._unit}"
            reason = f"the command of {self._joints[joint]}, {command}, is beyond its limit"
            tick.stop(
                self.name, Status.BACKUP, f"{reason} {self._limit[joint]:.3f}: brake", "postcheck_failed"
            )
            return
        self._barrier.sent(tick.command)
