# SPDX-License-Identifier: Apache-2.0
"""The barrier stage of a legged base: the body velocity nearest to the proposal from which it can still stop in time.

In the programme's coordinates z = (v_x / v_s, v_y / v_s, omega / omega_s):

    minimise |z - z_0|^2   subject to   rows of the disc barrier,   each of v_x, v_y between 0 and the proposal's,
                                        |omega| <= omega_max

As in the stage of a wheeled base, the rows are tangents, the exact barrier of all rows is enforced on the solution by
shrinking it along its ray, and without a trusted solution the largest admissible share of the proposal is sent.

A learned barrier adds rows of its own to the programme (`reflexarc.arc.legged_learned`). The more restrictive of both
wins; the disc barrier's exact condition comes last, so that the learned one can only take away.
"""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LEARNED
from reflexarc.arc.legged_learned import LeggedLearnedRows
from reflexarc.arc.stage import Tick
from reflexarc.barrier.disc import (
    CLOSING,
    GAP,
    SOURCE,
    DiscParameters,
    disc_lines,
    disc_margin,
    disc_rows,
    disc_share,
    disc_table,
)
from reflexarc.barrier.qp import FilterQp, QpProblem, Tier
from reflexarc.core.types import Array, BaseState, Status
from reflexarc.robots import LeggedRobot

_WHOLE = 1.0 - 1e-6
"""Share from which a command counts as wholly admissible; leaves room for rounding."""


def disc_parameters(config: ArcConfig, robot: LeggedRobot) -> DiscParameters:
    """Join the robot's guaranteed numbers and the configuration into the barrier's parameters."""
    barrier = config.barrier
    latency = robot.actuation_latency if config.latency_s is None else config.latency_s
    return DiscParameters(
        radius=robot.radius,
        deceleration=robot.max_deceleration,
        yaw_deceleration=robot.max_yaw_deceleration,
        delay=config.period + latency,
        clearance=barrier.clearance_m,
        wall_clearance=barrier.wall_clearance_m,
        sigmas=barrier.sigmas,
        obstacle_acceleration=barrier.obstacle_acceleration_m_s2,
        creep_speed=barrier.creep_speed_m_s,
        top_speed=robot.max_speed,
        person_speed=barrier.person_speed_m_s,
    )


class LeggedBarrierStage:
    """Filters the command through the disc barrier of all obstacles and walls, and the learned one of people."""

    name = "barrier"

    def __init__(self, config: ArcConfig, robot: LeggedRobot, learned: LeggedLearnedRows | None = None):
        """Set up the solver and compile the kernels; takes seconds the first time on a machine."""
        self.learned = learned
        self.parameters = disc_parameters(config, robot)
        self._enabled = config.barrier.enabled
        linear, angular = config.barrier.speed_scale_m_s, config.barrier.yaw_rate_scale_rad_s
        self._scale = np.array((linear, linear, angular))
        self._max_yaw = robot.max_yaw_rate / angular
        self._period = config.period
        rows = config.barrier.rows + (learned.most if learned is not None else 0)
        self._solver = FilterQp(
            3, rows, config.barrier.solver, config.barrier.tolerance, deadline=config.longest_solve
        )
        self._weight = np.ones(3)
        self._tiers = np.full((rows + 1, rows), Tier.COLLISION, dtype=np.int64)
        for extra in range(rows + 1):  # row `extra` holds the tiers when so many learned rows come first
            self._tiers[extra, :extra] = Tier.COMFORT
        self._normals, self._offsets = np.zeros((rows, 3)), np.zeros(rows)
        self._pose = np.zeros(3)
        self._rows = disc_table(64)
        self._count = 0

    def reset(self) -> None:
        """Nothing to forget: the filter has no memory."""
        self._count = 0

    def apply(self, tick: Tick) -> None:
        """Replace the command by the nearest admissible one and set the tick's margin and slack."""
        self._build_rows(tick.state, tick.now)
        if self.learned is not None and not self._learned(tick, self.learned):
            return
        if self._enabled:
            self._filter(tick)
        self.measure(tick)

    def _learned(self, tick: Tick, learned: LeggedLearnedRows) -> bool:
        """Evaluate the learned barrier; stop the robot and return False if it cannot be."""
        age = max(0.0, tick.now - tick.state.obstacles.stamp)
        sound = learned.update(tick.state, self._pose, age)
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
        """Set margin and slack at the velocity that the robot will really have in the next period.

        That is the command, or, where one period of braking does not reach it, the measured velocity less that period.
        """
        p, twist = self.parameters, tick.state.twist
        vx, vy, yaw = tick.command.tolist()
        speed = math.hypot(twist[0], twist[1])
        reachable = speed - p.deceleration * self._period
        if reachable > math.hypot(vx, vy):
            vx, vy = float(twist[0] * reachable / speed), float(twist[1] * reachable / speed)
        tick.margin, _ = disc_margin(self._rows, self._count, vx, vy, yaw, p)
        violated = (
            tick.margin < 0.0 and math.hypot(vx, vy) > p.creep_speed and not self.admissible(vx, vy, yaw)
        )
        tick.slack = -tick.margin if violated else 0.0

    def share(self, vx: float, vy: float, yaw: float) -> tuple[float, int]:
        """Return the admissible share of a command under the newest tick's rows, and the row that binds."""
        return disc_share(self._rows, self._count, vx, vy, yaw, self.parameters)

    def admissible(self, vx: float, vy: float, yaw: float) -> bool:
        """Whether a command is admissible under the newest tick's rows, up to rounding."""
        return self.share(vx, vy, yaw)[0] >= _WHOLE

    def _build_rows(self, state: BaseState, now: float) -> None:
        obstacles, walls = state.obstacles, state.walls
        things = len(obstacles) + len(walls)
        if things > len(self._rows):
            self._rows = disc_table(things)
        predict(state, now, self._pose)
        self._count = disc_rows(
            self._pose,
            state.twist,
            max(0.0, now - obstacles.stamp),
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
        proposed = tick.command.tolist()
        share, row = self.share(*proposed)
        learned, learned_share, person = self.learned, 1.0, -1
        if learned is not None:
            learned_share, person = learned.share(proposed[0], proposed[1])
        if share >= 1.0 and learned_share >= 1.0:
            return  # the proposal is admissible: it is its own projection
        if learned is not None and learned_share < share:
            stage = LEARNED
            reason = (
                f"{learned.describe(person, tick.state)}: {learned_share:.0%} of the proposal is admissible"
            )
            reason += f", the disc barrier admits {share:.0%}"
        else:
            stage = self.name
            reason = f"{self._describe(row, tick.state)}: {share:.0%} of the proposal is admissible"
            if learned_share < 1.0:
                reason += f", the learned barrier admits {learned_share:.0%}"
        target = proposed
        if learned is not None and learned_share < 1.0:
            target = [*learned.within_reach(proposed[0], proposed[1]), proposed[2]]
        answer = self._project(target)
        if answer is None:
            tick.faults.append("solver_failed")
            reason += "; no solution passed the residual check, so this share was sent"
            tick.change(stage, [min(share, learned_share) * v for v in proposed], reason, Status.BACKUP)
            return
        share, _ = self.share(*answer)
        tick.change(stage, [share * v for v in answer], reason)

    def _describe(self, index: int, state: BaseState) -> str:
        row = self._rows[index].tolist()
        source, obstacles = int(row[SOURCE]), state.obstacles
        if source < len(obstacles):
            name = f"obstacle {obstacles.ids[source] if obstacles.ids else source}"
        else:
            name = f"wall {source - len(obstacles)}"
        return f"{name} at {row[GAP]:.2f} m, closing at {row[CLOSING]:.2f} m/s"

    def _project(self, proposed: list[float]) -> list[float] | None:
        target = np.array(proposed) / self._scale
        lower, upper = np.minimum(0.0, target), np.maximum(0.0, target)
        upper[2] = max(self._max_yaw, abs(target[2]))
        lower[2] = -upper[2]
        extra = 0
        if self.learned is not None:
            most = self.learned.most
            extra = self.learned.write(
                proposed[0], proposed[1], self._scale[0], self._normals[:most], self._offsets[:most]
            )
        used = extra + disc_lines(
            self._rows,
            self._count,
            proposed[0],
            proposed[1],
            proposed[2],
            self._scale[0],
            self._scale[2],
            self.parameters,
            self._normals[extra:],
            self._offsets[extra:],
        )
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
        if not solution.found or solution.tier >= 0:  # standing still satisfies every row: none need give way
            return None
        return (np.clip(solution.u, lower, upper) * self._scale).tolist()


def predict(state: BaseState, now: float, out: Array) -> None:
    """Carry the pose from its stamp to `now` with the measured body twist, exactly; writes x, y, yaw into `out`."""
    x, y, yaw = state.pose
    vx, vy, omega = state.twist
    age = max(0.0, now - state.stamp)
    turn = omega * age
    # Displacement in base_link at the stamp: integral of R(omega t) (vx, vy) dt.
    along = age * (1.0 - turn * turn / 6.0) if abs(turn) < 1e-4 else math.sin(turn) / omega
    across = age * turn / 2.0 if abs(turn) < 1e-4 else (1.0 - math.cos(turn)) / omega
    dx, dy = along * vx - across * vy, across * vx + along * vy
    out[0] = x + math.cos(yaw) * dx - math.sin(yaw) * dy
    out[1] = y + math.sin(yaw) * dx + math.cos(yaw) * dy
    out[2] = yaw + turn
