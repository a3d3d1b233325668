# SPDX-License-Identifier: Apache-2.0
r"""Torque filter of an arm: the joint torques nearest to the proposed ones that keep every barrier.

With M(q) q'' + nle(q, q') = tau (relative degree 2; torques of a known contact count as part of nle), one high-order
row per barrier h of `rows` (Xiao and Belta, Control Barrier Functions for Systems with High Relative Degree, CDC 2019),
psi = h' + alpha_1 h:

    minimise   sum_j w_j (tau_j - target_j)^2
    subject to h'' + (alpha_1 + alpha_2) h' + alpha_1 alpha_2 (h - m) >= 0,   h'' = dh/dq M^-1 (tau - nle) + bend
               the same for the joint limits, q - q_min and q_max - q                                  hard
               q''_j <= alpha_2 (v_j - q'_j),   q''_j >= -alpha_2 (v_j + q'_j)                         hard
               |tau| <= tau_max                                                                        hard

v is 0.98 of the arm's limit, and no more than the gains can be honoured from (see `gains`).
M and nle (gravity, Coriolis, centrifugal) come from pinocchio. The margin m [m] covers sampling and a wrong model; it
is a parameter because a bound of h''' over a period of constant torque is too large to be of use.

**Backup.** Gravity-compensated braking: q'' = -clip(k q', +-a_max), tau = M q'' + nle, then cut to tau_max. A
state that is not finite gets the torques that held the last good state against gravity.
"""

import time

import numba
import numpy as np

from reflexarc.barrier.arm.gains import honoured_speed
from reflexarc.barrier.arm.kinematics import build_tree, jacobians, move, new_motion, new_pose, place
from reflexarc.barrier.arm.learned import LearnedArmRows
from reflexarc.barrier.arm.manipulability import manipulability
from reflexarc.barrier.arm.programme import WorkingProgramme
from reflexarc.barrier.arm.rows import BOX, RECOVERY, SINGULARITY, Task, capacity, fill_rows, new_rows
from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, check_call, no_obstacles
from reflexarc.barrier.arm.velocity_filter import all_finite
from reflexarc.barrier.arm.verdict import ArmVerdict, Status, describe
from reflexarc.barrier.qp import FilterQp, Tier
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, require_pinocchio

SPEED_RESERVE = 0.02
"""Share of the speed limits that is kept back, because M changes while a torque is held for a period."""
_COMFORT, _COLLISION, _HARD = int(Tier.COMFORT), int(Tier.COLLISION), int(Tier.HARD)
_BRAKING_RATE = 20.0
"""k: how fast the backup takes the velocity away where the limits allow. [1/s]"""
_STEP = 1e-6
"""Length along q' of the difference that gives the second derivative of the manipulability. [rad]"""


@numba.njit(cache=True)
def _rows_of_torque(
    tree,
    pose,
    motion,
    jacobian,
    task,
    rows,
    q,
    dq,
    mass,
    nle,
    gains,
    limits,
    position,
    velocity,
    radius,
    acceleration,
    inverse,
    scratch,
    normals,
    offsets,
    tiers,
):
    """Fill rows A tau <= b; return what `fill_rows` does, the count with the joints' own rows included."""
    n = q.shape[0]
    for i in range(n):
        for j in range(i + 1):
            scratch[i, j] = scratch[j, i] = mass[j, i]
    inverse[:] = np.linalg.inv(scratch)
    place(tree, q, pose)
    move(tree, pose, dq, motion)
    jacobians(tree, pose, jacobian)
    count, least, kind, first, second = fill_rows(
        tree,
        pose,
        motion,
        jacobian,
        task,
        position,
        velocity,
        radius,
        acceleration,
        True,
        rows,
    )
    if task.least > 0.0:
        _second_derivative(tree, pose, q, dq, rows, count - 1, scratch)
    linear, square = gains[0] + gains[1], gains[0] * gains[1]
    for i in range(count):
        bias = 0.0
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += rows.gradient[i, k] * inverse[k, j]
            normals[i, j] = -total
            bias += total * nle[j]
        room = rows.h[i] - rows.margin[i]
        tiers[i] = _COLLISION
        if rows.label[i, 0] in (BOX, SINGULARITY):
            tiers[i] = _COMFORT
            room = max(room, -RECOVERY * linear / square)
        offsets[i] = rows.bend[i] + linear * rows.rate[i] + square * room - bias
    for j in range(n):
        bias = 0.0
        for k in range(n):
            bias += inverse[j, k] * nle[k]
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0  # from the lower limit up, from the upper down
            room = sign * (q[j] - limits[side, j])
            away = sign * dq[j]
            for k in range(n):
                normals[count, k] = normals[count + 1, k] = -sign * inverse[j, k]
            offsets[count] = linear * away + square * room - sign * bias
            offsets[count + 1] = gains[1] * (limits[2, j] + away) - sign * bias
            tiers[count] = tiers[count + 1] = _HARD
            count += 2
    return count, least, kind, first, second


@numba.njit(cache=True)
def _second_derivative(tree, pose, q, dq, rows, row, scratch):
    """Fill rate and bend of the manipulability's row; `pose` is put back."""
    n = q.shape[0]
    last = pose.point.shape[0] - 1
    speed = 0.0
    for j in range(n):
        rows.rate[row] += rows.gradient[row, j] * dq[j]
        speed = max(speed, abs(dq[j]))
    if speed == 0.0:
        return
    step = _STEP / speed
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        for j in range(n):
            scratch[0, j] = q[j] + sign * step * dq[j]
        place(tree, scratch[0], pose)
        manipulability(tree, pose, last, scratch[1])
        for j in range(n):
            rows.bend[row] += sign * scratch[1, j] * dq[j] / (2.0 * step)
    place(tree, q, pose)


class TorqueFilter:
    """Filter of joint torques; its only memory is the gravity torque of the last good state, for the backup."""

    def __init__(
        self,
        arm: Arm,
        workspace: Workspace,
        alpha_1: float = 10.0,
        alpha_2: float = 10.0,
        margin: float = 0.0,
        weight: Array | None = None,
        obstacles: int = 32,
        working_rows: int = 0,
        screening: bool = True,
        max_slack: float = 20.0,
        honour_gains: bool = True,
        backend: str = "daqp",
        deadline: float = np.inf,
        learned: LearnedArmRows | None = None,
    ):
        """Allocate everything and compile.

        Args:
            arm: the robot.
            workspace: what does not change.
            alpha_1: gain of the first order. [1/s]
            alpha_2: gain of the second order. [1/s]
            margin: m, of the rows that are distances. [m]
            weight: of the joints in the objective, shape (n,), positive; None for ones.
            obstacles: most obstacles of a tick.
            working_rows: rows of the first programme (see `working_set`); 0 takes all that can be broken.
            screening: whether rows that no admissible torque can break are left out.
            max_slack: a row may be broken by this much where no torque keeps all; beyond it the backup acts. [m/s^2]
            honour_gains: whether speeds are limited to what alpha_1 can be kept from, see `gains`.
            backend: of `FilterQp`.
            deadline: an answer that took longer is late, and the backup acts. [s]
            learned: not offered for torques; anything but None is refused.

        Raises:
            ConfigError: a number out of its range, or a learned barrier.
        """
        if learned is not None:
            raise ConfigError(
                "a learned barrier V(q) is offered for joint-velocity commands only: torques act on the acceleration, "
                "so that neither its row nor its certificate holds; leave it out, or command velocities; refused"
            )
        if not (0.0 < alpha_1 < np.inf and 0.0 < alpha_2 < np.inf):
            raise ConfigError(f"alpha_1 {alpha_1} and alpha_2 {alpha_2} must be positive")
        if not 0.0 <= margin < np.inf or obstacles < 0 or working_rows < 0:
            raise ConfigError("margin, obstacles and working_rows must not be negative")
        n = arm.n
        weight = np.ones(n) if weight is None else np.array(weight, dtype=float)
        if weight.shape != (n,) or not (np.isfinite(weight).all() and (weight > 0.0).all()):
            raise ConfigError(f"weight must be {n} positive numbers, got {weight.tolist()}")
        self.arm, self.workspace = arm, workspace
        self._pin = require_pinocchio()
        self._data = arm.model.createData()
        self._tree, radius = build_tree(arm)
        points = len(self._tree.point)
        box = np.zeros((0, 3))
        if workspace.box_low is not None and workspace.box_high is not None:
            box = np.array([workspace.box_low, workspace.box_high])
        self.task = Task(
            radius=radius,
            moving=arm.spheres.moving,
            planes=workspace.planes,
            pairs=np.array(arm.spheres.pairs) if workspace.self_collision else np.zeros((0, 2), np.int64),
            box=box,
            least=float(workspace.manipulability or 0.0),
            margin=np.full(points, margin),
            alpha=alpha_1,
            top_speed=np.full(points, np.inf),
        )
        self._gains = np.array([alpha_1, alpha_2])
        self.max_velocity = (1.0 - SPEED_RESERVE) * arm.max_velocity
        if honour_gains:
            self.max_velocity = np.minimum(self.max_velocity, honoured_speed(arm, alpha_1))
            if (self.max_velocity <= 0.0).any():
                joint = arm.joints[int(self.max_velocity.argmin())]
                raise ConfigError(
                    f"{arm.name}: {joint} cannot even hold its own weight; no gain can be honoured"
                )
        self._limits = np.array([arm.lower, arm.upper, self.max_velocity])
        self._torque = np.array(arm.max_torque)
        self._braking = np.array(arm.max_acceleration)
        self._most = obstacles
        size = capacity(self.task, obstacles) + 4 * n
        self._rows = new_rows(size, n)
        self._pose, self._motion = new_pose(self._tree), new_motion(self._tree)
        self._jacobian = np.zeros((points, 3, n))
        self._state, self._matrices = np.zeros((3, n)), np.zeros((3, n, n))
        solver = FilterQp(n, size, backend=backend, max_slack=max_slack, deadline=deadline)
        self.programme = WorkingProgramme(n, size, working_rows, solver, weight, screening)
        self.programme.lower[:], self.programme.upper[:] = -self._torque, self._torque
        self._holding = self._gravity(np.array(arm.home))
        self.step(arm.home, np.zeros(n), self._holding, no_obstacles())

    def step(
        self,
        q: Array,
        dq: Array,
        target: Array,
        obstacles: SphereObstacles,
        speed_share: float = 1.0,
        external: Array | None = None,
    ) -> ArmVerdict:
        """Return the torques for the coming period.

        Args:
            q: joint positions, shape (n,). [rad]
            dq: joint velocities, shape (n,). [rad/s]
            target: proposed torques, shape (n,). [N m]
            obstacles: at the same time.
            speed_share: share of `max_velocity` that is allowed in this tick; a joint that is faster is braked.
            external: joint torques of what is known to press on the arm, finite, shape (n,); None for nothing. Without
                them an arm that presses against a wall seems to be about to accelerate through it. [N m]

        Raises:
            ConfigError: a wrong shape, or more obstacles than the filter has room for.
        """
        started = time.perf_counter()
        check_call(self.arm, self._most, q, dq, target, obstacles)
        self._state[0], self._state[1], self._state[2] = q, dq, target
        q, dq, target = self._state
        radius = obstacles.radius + obstacles.clearance
        if not np.isfinite(q + dq).all():
            return self._verdict_of_backup(
                self._holding.copy(), "a joint state that is not finite; the last good one is held", started
            )
        mass = self._pin.crba(self.arm.model, self._data, q)
        nle = self._pin.nonLinearEffects(self.arm.model, self._data, q, dq)
        if external is not None:
            nle = nle - external
        if not all_finite(q, dq, target, obstacles.position, obstacles.velocity, radius):
            reason = "a value that is not finite in proposal or obstacles"
            return self._verdict_of_backup(self._brake(dq, mass, nle), reason, started)
        p = self.programme
        np.multiply(self.max_velocity, speed_share, out=self._limits[2])
        inverse, scratch, copy = self._matrices
        copy[:] = mass
        count, h, *nearest = _rows_of_torque(
            self._tree,
            self._pose,
            self._motion,
            self._jacobian,
            self.task,
            self._rows,
            q,
            dq,
            copy,
            nle,
            self._gains,
            self._limits,
            obstacles.position,
            obstacles.velocity,
            radius,
            obstacles.acceleration,
            inverse,
            scratch,
            p.normals,
            p.offsets,
            p.tiers,
        )
        answer = p.solve(count, target)
        np.copyto(self._holding, self._gravity(q))
        if not answer.found:
            return self._verdict_of_backup(
                self._brake(dq, mass, nle), answer.reason, started, h, nearest, count, answer
            )
        status = Status.FILTERED
        if answer.tier >= 0:
            status = Status.RELAXED
        elif answer.rows == 0 and bool((answer.u == target).all()):
            status = Status.PASSED
        return ArmVerdict(
            answer.u,
            status,
            answer.reason,
            h,
            describe(nearest[0], nearest[1], nearest[2], self.arm),
            answer.slack,
            answer.tier,
            count,
            answer.rows,
            answer.residual,
            answer.iterations,
            time.perf_counter() - started,
        )

    def brake(self, q: Array, dq: Array) -> Array:
        """Return torques that take the velocity away with gravity compensated, within the limits, shape (n,). [N m]

        A state that is not finite gets the torques that held the last good one.
        """
        if not np.isfinite(q + dq).all():
            return self._holding.copy()
        mass = self._pin.crba(self.arm.model, self._data, q)
        nle = self._pin.nonLinearEffects(self.arm.model, self._data, q, dq)
        return self._brake(dq, mass, nle)

    def hold(self) -> Array:
        """Return the torques that hold the last good state against gravity, shape (n,). [N m]"""
        return self._holding.copy()

    def _gravity(self, q: Array) -> Array:
        held = self._pin.computeGeneralizedGravity(self.arm.model, self._data, q)
        return np.clip(held, -self._torque, self._torque)

    def _brake(self, dq: Array, mass: Array, nle: Array) -> Array:
        """Return the backup's torques: M q'' + nle within the limits."""
        full = np.triu(mass) + np.triu(mass, 1).T
        wanted = -np.clip(_BRAKING_RATE * dq, -self._braking, self._braking)
        return np.clip(full @ wanted + nle, -self._torque, self._torque)

    def _verdict_of_backup(
        self, command, reason, started, h=float("nan"), nearest=(-1, -1, -1), count=0, answer=None
    ):
        return ArmVerdict(
            command,
            Status.BACKUP,
            reason,
            h,
            describe(nearest[0], nearest[1], nearest[2], self.arm),
            0.0 if answer is None else answer.slack,
            -1 if answer is None else answer.tier,
            count,
            0 if answer is None else answer.rows,
            0.0 if answer is None else answer.residual,
            0 if answer is None else answer.iterations,
            time.perf_counter() - started,
        )
