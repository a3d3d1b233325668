# SPDX-License-Identifier: Apache-2.0
r"""Velocity filter of an arm: the joint velocities nearest to the proposed ones that keep every barrier.

With q' = u (relative degree 1), one row per barrier h of `rows`:

    minimise   sum_j w_j (u_j - target_j)^2
    subject to dh/dq u + rate >= -alpha (h - m)                      collision; comfort at most 0.2 m/s
               clip(-alpha (q - q_min)) <= u <= clip(alpha (q_max - q))   to +-v_max, hard

**Between the samples.** u is held for the period T. Along it h'' >= -B with B = `kinematics.curvature_bound` (a
distance is convex in the relative position, so only the points' own acceleration counts) plus the obstacle's
acceleration bound. Hence h(t) >= h + t h' - B t^2 / 2 for t <= T, and with the margin m = T B / (2 alpha) and
alpha T <= 1 the row makes h(T) >= (1 - alpha T) h >= 0, in between as well because the lower bound is concave in t.
So h >= 0 holds for ever, as long as the programme needs no slack, for an arm that follows u and obstacles that move as
told. Joint limits need no margin: they are linear in u.

**Learned barrier.** On request the rows of a learned V(q) (`learned`) join the programme in tier COMFORT; the more
restrictive wins, and the verdict tells which. Without one nothing of this module changes.

**Backup.** Without an answer the arm stops: each joint's velocity goes to zero at its deceleration limit.
"""

import time

import numba
import numpy as np

from reflexarc.barrier.arm.kinematics import (
    build_tree,
    curvature_bound,
    jacobians,
    new_motion,
    new_pose,
    place,
    reach,
)
from reflexarc.barrier.arm.learned import LearnedArmRows
from reflexarc.barrier.arm.primitives import PrimitiveRows
from reflexarc.barrier.arm.programme import WorkingProgramme
from reflexarc.barrier.arm.rows import (
    BOX,
    PRIMITIVE,
    RECOVERY,
    SINGULARITY,
    Task,
    capacity,
    fill_rows,
    new_rows,
)
from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, check_call, no_obstacles
from reflexarc.barrier.arm.verdict import ArmVerdict, Status, describe
from reflexarc.barrier.qp import FilterQp, Tier
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm

_COMFORT, _COLLISION = int(Tier.COMFORT), int(Tier.COLLISION)
_NAN = float("nan")


@numba.njit(cache=True)
def all_finite(q, dq, target, position, velocity, radius):
    """Return whether all of it is finite."""
    for j in range(q.shape[0]):
        if not np.isfinite(q[j] + dq[j] + target[j]):
            return False
    for i in range(radius.shape[0]):
        total = radius[i]
        for a in range(3):
            total += position[i, a] + velocity[i, a]
        if not np.isfinite(total):
            return False
    return True


@numba.njit(cache=True)
def _rows_of_velocity(
    tree,
    pose,
    motion,
    jacobian,
    task,
    rows,
    q,
    dq,
    age,
    limits,
    position,
    velocity,
    radius,
    acceleration,
    delay_margin,
    here,
    moved,
    normals,
    offsets,
    tiers,
    lower,
    upper,
):
    """Fill bounds and rows A u <= b at the state carried forward by `age`; return what `fill_rows` does."""
    for j in range(q.shape[0]):
        here[j] = q[j] + dq[j] * age
    for o in range(radius.shape[0]):
        for a in range(3):
            moved[o, a] = position[o, a] + velocity[o, a] * age
    for j in range(q.shape[0]):
        speed = limits[2, j]
        lower[j] = min(speed, max(-speed, -task.alpha * (here[j] - limits[0, j])))
        upper[j] = min(speed, max(-speed, task.alpha * (limits[1, j] - here[j])))
    place(tree, here, pose)
    jacobians(tree, pose, jacobian)
    found = fill_rows(
        tree,
        pose,
        motion,
        jacobian,
        task,
        moved[: radius.shape[0]],
        velocity,
        radius,
        acceleration,
        False,
        rows,
    )
    for i in range(found[0]):
        for j in range(q.shape[0]):
            normals[i, j] = -rows.gradient[i, j]
        offsets[i] = task.alpha * (rows.h[i] - rows.margin[i]) + rows.rate[i] - delay_margin
        tiers[i] = _COLLISION
        if rows.label[i, 0] in (BOX, SINGULARITY):
            tiers[i] = _COMFORT
            offsets[i] = max(offsets[i], -RECOVERY)
    return found


class VelocityFilter:
    """Filter of joint velocities; holds no state between ticks, so equal inputs give equal commands."""

    def __init__(
        self,
        arm: Arm,
        workspace: Workspace,
        period: float,
        alpha: float = 10.0,
        weight: Array | None = None,
        obstacles: int = 32,
        working_rows: int = 0,
        screening: bool = True,
        sampled_data_margin: bool = True,
        max_age: float = 0.05,
        primitives: PrimitiveRows | None = None,
        max_slack: float = 1.0,
        backend: str = "daqp",
        deadline: float = np.inf,
        learned: LearnedArmRows | None = None,
    ):
        """Allocate everything and compile.

        Args:
            arm: the robot.
            workspace: what does not change.
            period: for how long a command is held. [s]
            alpha: class-K gain. [1/s]
            weight: of the joints in the objective, shape (n,), positive; None for ones.
            obstacles: most obstacles of a tick.
            working_rows: rows of the first programme (see `working_set`); 0 takes all that can be broken.
            screening: whether rows that no admissible command can break are left out.
            sampled_data_margin: whether the margin m of the module is kept; without it h < 0 between samples is
                possible and only the continuous-time statement holds.
            max_age: a state older than this is answered with the backup. [s]
            primitives: rows of the arm's own shapes, beside those of the spheres; None for none.
            max_slack: a row may be broken by this much where no command keeps all; beyond it the backup acts. [m/s]
            backend: of `FilterQp`.
            deadline: an answer that took longer is late, and the backup acts. [s]
            learned: rows of a learned barrier, made for the same period; None for none.

        Raises:
            ConfigError: a number out of its range, primitives or a learned barrier of another arm, or a learned barrier
                for another period.
        """
        if not (period > 0.0 and alpha > 0.0 and alpha * period <= 1.0):
            raise ConfigError(
                f"period {period} s and alpha {alpha} 1/s must be positive with alpha * period <= 1"
                f" (now {alpha * period:g}), otherwise one period overshoots the barrier"
            )
        if primitives is not None and primitives.arm.joints != arm.joints:
            raise ConfigError(
                f"the primitives are those of {primitives.arm.name}, the filter is for {arm.name}"
            )
        if learned is not None and (learned.arm.joints != arm.joints or learned.period != period):
            raise ConfigError(
                f"the learned barrier is for {learned.arm.name} at a period of {learned.period:g} s, the filter for "
                f"{arm.name} at {period:g} s; both must agree"
            )
        n = arm.n
        weight = np.ones(n) if weight is None else np.array(weight, dtype=float)
        if weight.shape != (n,) or not (np.isfinite(weight).all() and (weight > 0.0).all()):
            raise ConfigError(f"weight must be {n} positive numbers, got {weight.tolist()}")
        if obstacles < 0 or working_rows < 0 or not max_age >= 0.0:
            raise ConfigError("obstacles, working_rows and max_age must not be negative")
        self.arm, self.workspace, self.period, self.alpha = arm, workspace, period, alpha
        self._tree, radius = build_tree(arm)
        speeds = np.array(arm.max_velocity)
        bend = curvature_bound(self._tree, arm.lower, arm.upper, speeds)
        columns = reach(self._tree, arm.lower, arm.upper)
        infinite = np.full(len(columns), np.inf)
        self._held = sampled_data_margin
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
            margin=bend * period / (2.0 * alpha) if sampled_data_margin else np.zeros(len(bend)),
            alpha=alpha,
            top_speed=columns @ speeds if screening else infinite,
        )
        self._limits = np.array([arm.lower, arm.upper, arm.max_velocity])
        self._braking = np.array(arm.max_acceleration) * period
        self._max_age, self._most = max_age, obstacles
        self._primitives, self._learned = primitives, learned
        size = capacity(self.task, obstacles) + (0 if primitives is None else primitives.nearest)
        size += 0 if learned is None else learned.most
        self._uncertified = learned is not None and learned.uncertified
        self._rows = new_rows(size, n)
        self._pose, self._motion = new_pose(self._tree), new_motion(self._tree)
        self._jacobian = np.zeros((len(bend), 3, n))
        self._state = np.zeros((3, n))
        self._here, self._moved = np.zeros(n), np.zeros((max(1, obstacles), 3))
        self.programme = WorkingProgramme(
            n,
            max(1, size),
            working_rows,
            FilterQp(n, max(1, size), backend=backend, max_slack=max_slack, deadline=deadline),
            weight,
            screening,
        )
        self.step(arm.home, np.zeros(n), np.zeros(n), no_obstacles())

    def step(
        self, q: Array, dq: Array, target: Array, obstacles: SphereObstacles, age: float = 0.0
    ) -> ArmVerdict:
        """Return the command for the coming period.

        Args:
            q: joint positions, shape (n,). [rad]
            dq: joint velocities, measured or last commanded, shape (n,). [rad/s]
            target: proposed joint velocities, shape (n,). [rad/s]
            obstacles: as measured together with q.
            age: of the measurement when the command starts to act; state and obstacles are carried forward by it. [s]

        Raises:
            ConfigError: a wrong shape, or more obstacles than the filter has room for.
        """
        started = time.perf_counter()
        check_call(self.arm, self._most, q, dq, target, obstacles)
        # Own copies: contiguous and writable, whatever the caller's arrays are.
        self._state[0], self._state[1], self._state[2] = q, dq, target
        q, dq, target = self._state
        if not 0.0 <= age <= self._max_age:
            return self._backup(dq, f"state is {age:g} s old, allowed is {self._max_age:g} s", started)
        radius = obstacles.radius + obstacles.clearance
        if not all_finite(q, dq, target, obstacles.position, obstacles.velocity, radius):
            return self._backup(dq, "a value that is not finite in state, proposal or obstacles", started)
        p = self.programme
        drift = 0.5 * self.period * obstacles.acceleration if self._held else 0.0
        count, h, *nearest = _rows_of_velocity(
            self._tree,
            self._pose,
            self._motion,
            self._jacobian,
            self.task,
            self._rows,
            q,
            dq,
            age,
            self._limits,
            obstacles.position,
            obstacles.velocity,
            radius,
            obstacles.acceleration,
            drift,
            self._here,
            self._moved,
            p.normals,
            p.offsets,
            p.tiers,
            p.lower,
            p.upper,
        )
        considered = capacity(self.task, len(obstacles))
        if self._primitives is not None:
            near = self._primitives.evaluate(self._here)
            block = slice(count, count + len(near.h))
            p.normals[block] = -near.gradient
            p.offsets[block] = self.alpha * near.h + near.rate
            p.tiers[block] = _COLLISION
            count, considered = block.stop, considered + len(near.h)
            if len(near.h) and near.h[0] < h:
                h, nearest = float(near.h[0]), (PRIMITIVE, *near.pairs[:1], 0)
        learned, value, first = self._learned, _NAN, count
        if learned is not None:
            value, wrong, count = learned.write(self._here, p.normals, p.offsets, p.tiers, first)
            if wrong:
                return self._backup(dq, wrong, started, h, nearest, considered, None, value)
            considered += count - first
        answer = p.solve(count, target)
        if not answer.found:
            return self._backup(dq, answer.reason, started, h, nearest, considered, answer, value)
        unchanged = answer.rows == 0 and bool((answer.u == target).all())
        status = Status.PASSED if unchanged else Status.FILTERED
        if answer.tier >= 0:
            status = Status.RELAXED
        reason, binds = answer.reason, False
        if learned is not None and status is not Status.PASSED:
            start = np.clip(target, p.lower, p.upper)
            said, binds = learned.explain(self._here, value, start, p.normals, p.offsets, first, count)
            reason = f"{reason}; {said}" if reason and said else reason or said
        return ArmVerdict(
            answer.u,
            status,
            reason,
            h,
            self._describe(*nearest),
            answer.slack,
            answer.tier,
            considered,
            answer.rows,
            answer.residual,
            answer.iterations,
            time.perf_counter() - started,
            value,
            binds,
            self._uncertified,
        )

    def centres(self, q: Array) -> Array:
        """Return the centres of all spheres at the joint positions q, shape (s, 3). [m]"""
        pose = new_pose(self._tree)
        place(self._tree, np.array(q, dtype=float), pose)
        return pose.point[:-1]

    def _describe(self, kind: int, first: int, second: int) -> str:
        if kind == PRIMITIVE and self._primitives is not None:
            return " and ".join(self._primitives.names[first])
        return describe(kind, first, second, self.arm)

    def _backup(
        self, dq, reason, started, h=_NAN, nearest=(-1, -1, -1), count=0, answer=None, learned_margin=_NAN
    ):
        known = np.where(np.isfinite(dq), dq, 0.0)
        known = np.clip(known, -self._limits[2], self._limits[2])
        command = known - np.clip(known, -self._braking, self._braking)
        return ArmVerdict(
            command,
            Status.BACKUP,
            reason,
            h,
            self._describe(*nearest),
            0.0 if answer is None else answer.slack,
            -1 if answer is None else answer.tier,
            count,
            0 if answer is None else answer.rows,
            0.0 if answer is None else answer.residual,
            0 if answer is None else answer.iterations,
            time.perf_counter() - started,
            learned_margin,
            False,
            self._uncertified,
        )
