# SPDX-License-Identifier: Apache-2.0
"""The barrier stage: the command nearest to the proposal from which the robot can still stop in time.

In the programme's coordinates z = (v / v_s, omega / omega_s):

    minimise |z - z_0|^2   subject to   rows of the stopping barrier,  0 <= v <= v_0 (v_0 <= v <= 0 in reverse),
                                        |omega| <= omega_max

The filter never drives faster than the proposal and never reverses its direction, but it may turn to keep more of the
speed. The rows are tangents; the exact barrier is enforced on the solution by shrinking it along its ray. If
the solver's answer fails the residual check, the backup is the largest admissible share of the proposal
itself, which is closed-form and needs no solver; at worst it is zero, which is always admissible.

A learned barrier adds rows of its own to the programme (`reflexarc.arc.learned`). The more restrictive of the two wins;
the stopping barrier's exact condition comes last, so that the learned one can only take away.
"""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LEARNED, LearnedRows
from reflexarc.arc.stage import Tick
from reflexarc.barrier.qp import FilterQp, QpProblem, Tier
from reflexarc.barrier.stopping import (
    CLOSING,
    GAP,
    SOURCE,
    StoppingParameters,
    admissible_share,
    barrier_margin,
    linear_rows,
    row_table,
    stopping_rows,
    with_envelope,
)
from reflexarc.core.types import Array, BaseState, Status
from reflexarc.robots import BaseRobot

_ZERO = 1e-12
_WHOLE = 1.0 - 1e-6
"""Share from which a command counts as wholly admissible; leaves room for rounding."""


def stopping_parameters(config: ArcConfig, robot: BaseRobot) -> StoppingParameters:
    """Join the robot's guaranteed numbers and the configuration into the barrier's parameters."""
    barrier = config.barrier
    latency = robot.actuation_latency if config.latency_s is None else config.latency_s
    parameters = StoppingParameters(
        half_length=robot.length / 2.0,
        half_width=robot.width / 2.0,
        deceleration=robot.max_deceleration,
        yaw_deceleration=robot.max_yaw_deceleration,
        delay=config.period + latency,
        clearance=barrier.clearance_m,
        wall_clearance=barrier.wall_clearance_m,
        sigmas=barrier.sigmas,
        obstacle_acceleration=barrier.obstacle_acceleration_m_s2,
        creep_speed=barrier.creep_speed_m_s,
        longest_stop=0.0,
        farthest_stop=0.0,
        person_speed=barrier.person_speed_m_s,
    )
    return with_envelope(parameters, robot.max_speed, robot.max_yaw_rate)


class BarrierStage:
    """Filters the command through the stopping barrier of all obstacles and walls, and the learned one of people."""

    name = "barrier"

    def __init__(self, config: ArcConfig, robot: BaseRobot, learned: LearnedRows | None = None):
        """Set up the solver and compile the kernels; takes seconds the first time on a machine."""
        self.learned = learned
        self.parameters = stopping_parameters(config, robot)
        self._enabled = config.barrier.enabled
        self._scale = (config.barrier.speed_scale_m_s, config.barrier.yaw_rate_scale_rad_s)
        self._max_yaw = robot.max_yaw_rate / self._scale[1]
        self._period = config.period
        rows = config.barrier.rows + (learned.most if learned is not None else 0)
        self._solver = FilterQp(
            2, rows, config.barrier.solver, config.barrier.tolerance, deadline=config.longest_solve
        )
        self._weight = np.ones(2)
        self._tiers = np.full((rows + 1, rows), Tier.COLLISION, dtype=np.int64)
        for extra in range(rows + 1):  # row `extra` holds the tiers when so many learned rows come first
            self._tiers[extra, :extra] = Tier.COMFORT
        self._normals = np.zeros((rows, 2))
        self._offsets = np.zeros(rows)
        self._ages = np.zeros(2)
        self._target, self._lower, self._upper = np.zeros(2), np.zeros(2), np.zeros(2)
        self._pose = np.zeros(3)
        self._rows = row_table(64)
        self._count = 0

    def reset(self) -> None:
        """Nothing to forget: the filter has no memory."""
        self._count = 0

    def apply(self, tick: Tick) -> None:
        """Replace the command by the nearest admissible one and set the tick's margin and slack."""
        state = tick.state
        assert state is not None  # the sanity stage ends the tick otherwise
        self._build_rows(state, tick.now)
        if self.learned is not None and not self._learned(tick, self.learned):
            return
        if self._enabled:
            self._filter(tick)
        self.measure(tick)

    def _learned(self, tick: Tick, learned: LearnedRows) -> bool:
        """Evaluate the learned barrier; stop the robot and return False if it cannot be."""
        assert tick.state is not None
        sound = learned.update(tick.state, self._pose, float(self._ages[0]))
        tick.learned_margin = learned.margin
        if not sound:
            self.measure(tick)
            tick.stop(
                LEARNED,
                Status.BACKUP,
                "the learned barrier gave a number that is not finite: brake",
                "learned_failed",
            )
        return sound

    def measure(self, tick: Tick) -> None:
        """Set margin and slack from what the robot will really do in the next period.

        A command below what the drive can brake to within one period is not reached at once: the effective speed is
        the command, or the measured speed less one period of braking if that is larger.
        """
        state, p = tick.state, self.parameters
        assert state is not None
        reachable = abs(state.twist[0]) - p.deceleration * self._period
        forward = float(tick.command[0])
        if reachable > abs(forward):
            forward = math.copysign(reachable, state.twist[0])
        yaw = float(tick.command[1])
        tick.margin, _ = barrier_margin(self._rows, self._count, forward, yaw, p)
        violated = tick.margin < 0.0 and abs(forward) > p.creep_speed and not self.admissible(forward, yaw)
        tick.slack = -tick.margin if violated else 0.0

    def share(self, forward: float, yaw: float) -> tuple[float, int]:
        """Return the admissible share of a command under the newest tick's rows, and the row that binds."""
        return admissible_share(self._rows, self._count, forward, yaw, self.parameters)

    def admissible(self, forward: float, yaw: float) -> bool:
        """Whether a command is admissible under the newest tick's rows, up to rounding."""
        return self.share(forward, yaw)[0] >= _WHOLE

    def describe(self, index: int, state: BaseState) -> str:
        """Name the thing behind a row of the newest tick, with gap and closing speed, for the verdict."""
        row = self._rows[index].tolist()
        source, obstacles = int(row[SOURCE]), state.obstacles
        if source < len(obstacles):
            name = f"obstacle {obstacles.ids[source] if obstacles.ids else source}"
        else:
            name = f"wall {source - len(obstacles)}"
        return f"{name} at {row[GAP]:.2f} m, closing at {row[CLOSING]:.2f} m/s"

    def _build_rows(self, state: BaseState, now: float) -> None:
        obstacles, walls = state.obstacles, state.walls
        things = len(obstacles) + len(walls)
        if 2 * things > len(self._rows):
            self._rows = row_table(2 * things)
        _predict(state, now, self._pose)
        self._ages[0] = max(0.0, now - obstacles.stamp)
        self._count = stopping_rows(
            self._pose,
            float(state.twist[0]),
            self._ages,
            obstacles.position,
            obstacles.velocity,
            obstacles.radius,
            obstacles.position_std,
            obstacles.velocity_std,
            walls.segments,
            self.parameters,
            self._rows,
        )

    def _filter(self, tick: Tick) -> None:
        forward, yaw = float(tick.command[0]), float(tick.command[1])
        if abs(forward) < _ZERO and abs(yaw) < _ZERO:
            return
        share, row = self.share(forward, yaw)
        learned, learned_share, person = self.learned, 1.0, -1
        if learned is not None:
            learned_share, person = learned.share(forward, yaw)
        if share >= 1.0 and learned_share >= 1.0:
            return  # the proposal is admissible: it is its own projection
        state = tick.state
        assert state is not None
        if learned is not None and learned_share < share:
            stage = LEARNED
            reason = f"{learned.describe(person, state)}: {learned_share:.0%} of the proposal is admissible"
            reason += f", the stopping barrier admits {share:.0%}"
        else:
            stage = self.name
            reason = f"{self.describe(row, state)}: {share:.0%} of the proposal is admissible"
            if learned_share < 1.0:
                reason += f", the learned barrier admits {learned_share:.0%}"
        target = (forward, yaw)
        if learned is not None and learned_share < 1.0:
            target = learned.within_reach(forward, yaw)
        answer = self._project(*target)
        if answer is None:
            tick.faults.append("solver_failed")
            reason += "; no solution passed the residual check, so this share was sent"
            share = min(share, learned_share)
            tick.change(stage, (share * forward, share * yaw), reason, Status.BACKUP)
            return
        new_forward, new_yaw = answer
        share, _ = self.share(new_forward, new_yaw)
        tick.change(stage, (share * new_forward, share * new_yaw), reason)

    def _project(self, forward: float, yaw: float) -> tuple[float, float] | None:
        scale_v, scale_w = self._scale
        extra = 0
        if self.learned is not None:
            most = self.learned.most
            extra = self.learned.write(forward, yaw, self._scale, self._normals[:most], self._offsets[:most])
        used = extra + linear_rows(
            self._rows,
            self._count,
            forward,
            yaw,
            scale_v,
            scale_w,
            self.parameters,
            self._normals[extra:],
            self._offsets[extra:],
        )
        target, lower, upper = self._target, self._lower, self._upper
        target[0], target[1] = forward / scale_v, yaw / scale_w
        lower[0], upper[0] = min(0.0, target[0]), max(0.0, target[0])
        upper[1] = max(self._max_yaw, abs(target[1]))
        lower[1] = -upper[1]
        solution = self._solver.solve(
            QpProblem(
                target,
                self._weight,
                self._normals[:used],
                self._offsets[:used],
                self._tiers[extra, :used],
                lower,
                upper,
            )
        )
        if (
            not solution.found or solution.tier >= 0
        ):  # standing still satisfies every row, so none need give way
            return None
        speed, turn = solution.u.tolist()
        speed = min(upper[0], max(lower[0], speed))
        turn = min(upper[1], max(lower[1], turn))
        return float(speed * scale_v), float(turn * scale_w)


def _predict(state: BaseState, now: float, out: Array) -> None:
    """Carry the pose from its stamp to `now` with the measured twist (exact arc of a unicycle)."""
    x, y, yaw = state.pose
    v, omega = state.twist
    age = max(0.0, now - state.stamp)
    turn = omega * age
    if abs(turn) < 1e-6:
        half = yaw + 0.5 * turn
        out[0], out[1] = x + v * age * math.cos(half), y + v * age * math.sin(half)
    else:
        radius = v / omega
        out[0] = x + radius * (math.sin(yaw + turn) - math.sin(yaw))
        out[1] = y - radius * (math.cos(yaw + turn) - math.cos(yaw))
    out[2] = yaw + turn
