# SPDX-License-Identifier: Apache-2.0
r"""Forward kinematics of an arm for all its spheres at once, compiled.

A tree of n one-degree-of-freedom joints: joint i stands at the constant placement (R_i, t_i) in its parent's frame and
turns about, or slides along, its unit axis a_i. In the world, with o_i the joint's origin and z_i its axis, a point c
that is carried by joint k moves with

    c' = sum_j J_j q'_j,   J_j = z_j x (c - o_j)  (turns),   z_j  (slides),   0 unless j carries k,

and with constant q' it accelerates by gamma = (dJ/dt) q', which the recursion over the joints gives as

    gamma = a_k + dw_k x r + w_k x (w_k x r),   r = c - o_k.

All kernels write into arrays of the caller; nothing is allocated per call.
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm


class Tree(NamedTuple):
    """Constant geometry of the joints and of the points they carry. A NamedTuple because kernels take it as it is."""

    parent: npt.NDArray
    """Index of the joint that carries each joint, -1 for the base, shape (n,)."""
    rotation: Array
    """Placement in the parent's frame, shape (n, 3, 3)."""
    translation: Array
    """Shape (n, 3). [m]"""
    axis: Array
    """Unit axis in the joint's own frame, shape (n, 3)."""
    slides: npt.NDArray
    """True for a prismatic joint, shape (n,)."""
    carries: npt.NDArray
    """carries[k + 1, j]: whether joint j moves what joint k carries; row 0 is the base. Shape (n + 1, n)."""
    point_joint: npt.NDArray
    """Joint that carries each point, -1 for the base, shape (s,)."""
    point: Array
    """Points in the frame of their joint, shape (s, 3). [m]"""


class Pose(NamedTuple):
    """Placements in the world; filled by `place`."""

    rotation: Array
    """Shape (n, 3, 3)."""
    origin: Array
    """Shape (n, 3). [m]"""
    axis: Array
    """Joint axes, shape (n, 3)."""
    point: Array
    """Shape (s, 3). [m]"""


class Motion(NamedTuple):
    """Velocities and velocity-product accelerations; filled by `move`."""

    spin: Array
    """Angular velocity of each joint's frame, shape (n, 3). [rad/s]"""
    spin_rate: Array
    """Angular acceleration for constant q', shape (n, 3). [rad/s^2]"""
    velocity: Array
    """Of each joint's origin, shape (n, 3). [m/s]"""
    bias: Array
    """Acceleration of each joint's origin for constant q', shape (n, 3). [m/s^2]"""
    point_velocity: Array
    """Shape (s, 3). [m/s]"""
    point_bias: Array
    """gamma of each point, shape (s, 3). [m/s^2]"""


def build_tree(arm: Arm) -> tuple[Tree, Array]:
    """Return the arm's tree with the centres of its spheres and, as last point, its end effector; and the radii.

    Raises:
        ModelError: a joint is neither revolute nor prismatic.
        UnknownNameError: a sphere or the end effector is on a frame that the arm lacks.
    """
    model = arm.model
    n = arm.n
    axes, slides = np.zeros((n, 3)), np.zeros(n, dtype=np.bool_)
    for i in range(n):
        axes[i], slides[i] = _axis(model.joints[i + 1])
    parent = np.array([int(model.parents[i + 1]) - 1 for i in range(n)], dtype=np.int64)
    carries = np.zeros((n + 1, n), dtype=np.bool_)
    for k in range(n):
        carries[k + 1] = carries[parent[k] + 1]
        carries[k + 1, k] = True
    frames = [*arm.spheres.links, arm.end_effector]
    local = np.vstack([arm.spheres.centre, np.zeros(3)])
    joints, points = [], []
    for name, centre in zip(frames, local, strict=True):
        if not model.existFrame(name):
            raise UnknownNameError("frame", name, (str(f.name) for f in model.frames), arm.name)
        frame = model.frames[model.getFrameId(name)]
        joints.append(int(frame.parentJoint) - 1)
        points.append(frame.placement.act(np.array(centre)))
    tree = Tree(
        parent=parent,
        rotation=np.ascontiguousarray([model.jointPlacements[i + 1].rotation for i in range(n)]),
        translation=np.ascontiguousarray([model.jointPlacements[i + 1].translation for i in range(n)]),
        axis=axes,
        slides=slides,
        carries=carries,
        point_joint=np.array(joints, dtype=np.int64),
        point=np.ascontiguousarray(points),
    )
    return tree, np.array(arm.spheres.radius)


def _axis(joint: Any) -> tuple[Array, bool]:
    """Return a joint's axis and whether it slides."""
    kind = joint.shortname()
    for prefix, slides in (("JointModelR", False), ("JointModelP", True)):
        if kind.startswith(prefix) and kind[len(prefix) :] in ("X", "Y", "Z"):
            return np.eye(3)["XYZ".index(kind[-1])], slides
    if kind in ("JointModelRevoluteUnaligned", "JointModelPrismaticUnaligned"):
        data = joint.createData()
        joint.calc(data, np.zeros(1), np.zeros(1))
        slides = "Prismatic" in kind
        motion = np.asarray(data.S).reshape(6)
        return motion[:3] if slides else motion[3:], slides
    raise ModelError(f"joint type {kind} is neither revolute nor prismatic; lock it or use another model")


def new_pose(tree: Tree) -> Pose:
    """Return arrays for `place`."""
    n, s = len(tree.parent), len(tree.point)
    return Pose(np.zeros((n, 3, 3)), np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((s, 3)))


def new_motion(tree: Tree) -> Motion:
    """Return arrays for `move`."""
    n, s = len(tree.parent), len(tree.point)
    return Motion(*(np.zeros((n, 3)) for _ in range(4)), *(np.zeros((s, 3)) for _ in range(2)))


def reach(tree: Tree, lower: Array, upper: Array) -> Array:
    """Return bounds of the columns of every point's Jacobian over all configurations, shape (points, n).

    For a joint that turns, how far the point can be from its axis: the sum of the link lengths in between, with the
    whole travel of sliding joints [m]; for a sliding joint 1; 0 where the joint does not carry the point.
    """
    n, s = len(tree.parent), len(tree.point)
    bound = np.zeros((s, n))
    for i in range(s):
        length, k = float(np.linalg.norm(tree.point[i])), int(tree.point_joint[i])
        while k >= 0:
            if tree.slides[k]:
                length += max(abs(lower[k]), abs(upper[k]))
            bound[i, k] = 1.0 if tree.slides[k] else length
            length += float(np.linalg.norm(tree.translation[k]))
            k = int(tree.parent[k])
    return bound


def curvature_bound(tree: Tree, lower: Array, upper: Array, speed: Array) -> Array:
    """Return a bound of |gamma| of every point over all configurations and |q'_j| <= speed_j, shape (points,). [m/s^2]

    |d^2 c / dq_j dq_k| is at most the distance of c from the axis of the later of the two joints (0 if that one
    slides and is the earlier one's equal, 1 if it slides after one that turns).
    """
    bound = reach(tree, lower, upper)
    total = np.zeros(len(tree.point))
    for i in range(len(total)):
        chain = np.flatnonzero(bound[i])
        for j in chain:
            for k in chain:
                late, early = max(j, k), min(j, k)
                if tree.slides[early]:
                    continue
                total[i] += speed[j] * speed[k] * bound[i, late]
    return total


@numba.njit(cache=True)
def cross(ax, ay, az, bx, by, bz):
    """Return a x b as three numbers."""
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


@numba.njit(cache=True)
def place(tree, q, pose):
    """Fill `pose` for the joint positions q of shape (n,)."""
    n = tree.parent.shape[0]
    for i in range(n):
        p = tree.parent[i]
        rotation, origin = pose.rotation[i], pose.origin[i]
        ax, ay, az = tree.axis[i, 0], tree.axis[i, 1], tree.axis[i, 2]
        if tree.slides[i]:
            sine, cosine = 0.0, 1.0
            tx = tree.translation[i, 0]
            ty = tree.translation[i, 1]
            tz = tree.translation[i, 2]
            for a in range(3):
                slide = (
                    tree.rotation[i, a, 0] * ax + tree.rotation[i, a, 1] * ay + tree.rotation[i, a, 2] * az
                )
                if a == 0:
                    tx += slide * q[i]
                elif a == 1:
                    ty += slide * q[i]
                else:
                    tz += slide * q[i]
        else:
            sine, cosine = math.sin(q[i]), math.cos(q[i])
            tx, ty, tz = tree.translation[i, 0], tree.translation[i, 1], tree.translation[i, 2]
        c1 = 1.0 - cosine
        # Rodrigues: rotation about the joint's axis.
        k00, k01, k02 = cosine + ax * ax * c1, ax * ay * c1 - az * sine, ax * az * c1 + ay * sine
        k10, k11, k12 = ay * ax * c1 + az * sine, cosine + ay * ay * c1, ay * az * c1 - ax * sine
        k20, k21, k22 = az * ax * c1 - ay * sine, az * ay * c1 + ax * sine, cosine + az * az * c1
        for a in range(3):
            if p < 0:
                r0, r1, r2 = tree.rotation[i, a, 0], tree.rotation[i, a, 1], tree.rotation[i, a, 2]
                if a == 0:
                    origin[a] = tx
                elif a == 1:
                    origin[a] = ty
                else:
                    origin[a] = tz
            else:
                up = pose.rotation[p, a]
                r0 = (
                    up[0] * tree.rotation[i, 0, 0]
                    + up[1] * tree.rotation[i, 1, 0]
                    + up[2] * tree.rotation[i, 2, 0]
                )
                r1 = (
                    up[0] * tree.rotation[i, 0, 1]
                    + up[1] * tree.rotation[i, 1, 1]
                    + up[2] * tree.rotation[i, 2, 1]
                )
                r2 = (
                    up[0] * tree.rotation[i, 0, 2]
                    + up[1] * tree.rotation[i, 1, 2]
                    + up[2] * tree.rotation[i, 2, 2]
                )
                origin[a] = pose.origin[p, a] + up[0] * tx + up[1] * ty + up[2] * tz
            rotation[a, 0] = r0 * k00 + r1 * k10 + r2 * k20
            rotation[a, 1] = r0 * k01 + r1 * k11 + r2 * k21
            rotation[a, 2] = r0 * k02 + r1 * k12 + r2 * k22
            pose.axis[i, a] = rotation[a, 0] * ax + rotation[a, 1] * ay + rotation[a, 2] * az
    for s in range(tree.point.shape[0]):
        k = tree.point_joint[s]
        for a in range(3):
            if k < 0:
                pose.point[s, a] = tree.point[s, a]
            else:
                up = pose.rotation[k, a]
                pose.point[s, a] = (
                    pose.origin[k, a]
                    + up[0] * tree.point[s, 0]
                    + up[1] * tree.point[s, 1]
                    + up[2] * tree.point[s, 2]
                )


@numba.njit(cache=True)
def project(tree, pose, carrier, cx, cy, cz, nx, ny, nz, scale, row):
    """Add scale * n^T J to `row` of shape (n,), J being the Jacobian of the point c that joint `carrier` carries."""
    for j in range(row.shape[0]):
        if tree.carries[carrier + 1, j]:
            zx, zy, zz = pose.axis[j, 0], pose.axis[j, 1], pose.axis[j, 2]
            if tree.slides[j]:
                row[j] += scale * (nx * zx + ny * zy + nz * zz)
            else:
                rx = cx - pose.origin[j, 0]
                ry = cy - pose.origin[j, 1]
                rz = cz - pose.origin[j, 2]
                vx, vy, vz = cross(zx, zy, zz, rx, ry, rz)
                row[j] += scale * (nx * vx + ny * vy + nz * vz)


@numba.njit(cache=True)
def jacobians(tree, pose, out):
    """Fill `out` of shape (s, 3, n) with the Jacobians of the first s points."""
    for s in range(out.shape[0]):
        k = tree.point_joint[s]
        for j in range(out.shape[2]):
            vx, vy, vz = 0.0, 0.0, 0.0
            if tree.carries[k + 1, j]:
                zx, zy, zz = pose.axis[j, 0], pose.axis[j, 1], pose.axis[j, 2]
                if tree.slides[j]:
                    vx, vy, vz = zx, zy, zz
                else:
                    rx = pose.point[s, 0] - pose.origin[j, 0]
                    ry = pose.point[s, 1] - pose.origin[j, 1]
                    rz = pose.point[s, 2] - pose.origin[j, 2]
                    vx, vy, vz = cross(zx, zy, zz, rx, ry, rz)
            out[s, 0, j], out[s, 1, j], out[s, 2, j] = vx, vy, vz


@numba.njit(cache=True)
def move(tree, pose, dq, motion):
    """Fill `motion` for the joint velocities dq of shape (n,), after `place`."""
    n = tree.parent.shape[0]
    for i in range(n):
        p = tree.parent[i]
        wx, wy, wz, ux, uy, uz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        vx, vy, vz, bx, by, bz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        zx, zy, zz = pose.axis[i, 0], pose.axis[i, 1], pose.axis[i, 2]
        if p >= 0:
            wx, wy, wz = motion.spin[p, 0], motion.spin[p, 1], motion.spin[p, 2]
            ux, uy, uz = motion.spin_rate[p, 0], motion.spin_rate[p, 1], motion.spin_rate[p, 2]
            rx = pose.origin[i, 0] - pose.origin[p, 0]
            ry = pose.origin[i, 1] - pose.origin[p, 1]
            rz = pose.origin[i, 2] - pose.origin[p, 2]
            sx, sy, sz = cross(wx, wy, wz, rx, ry, rz)
            cx, cy, cz = cross(wx, wy, wz, sx, sy, sz)
            ex, ey, ez = cross(ux, uy, uz, rx, ry, rz)
            vx, vy, vz = motion.velocity[p, 0] + sx, motion.velocity[p, 1] + sy, motion.velocity[p, 2] + sz
            bx = motion.bias[p, 0] + ex + cx
            by = motion.bias[p, 1] + ey + cy
            bz = motion.bias[p, 2] + ez + cz
        tx, ty, tz = cross(wx, wy, wz, zx, zy, zz)
        if tree.slides[i]:
            vx, vy, vz = vx + zx * dq[i], vy + zy * dq[i], vz + zz * dq[i]
            bx, by, bz = bx + 2.0 * tx * dq[i], by + 2.0 * ty * dq[i], bz + 2.0 * tz * dq[i]
        else:
            ux, uy, uz = ux + tx * dq[i], uy + ty * dq[i], uz + tz * dq[i]
            wx, wy, wz = wx + zx * dq[i], wy + zy * dq[i], wz + zz * dq[i]
        motion.spin[i, 0], motion.spin[i, 1], motion.spin[i, 2] = wx, wy, wz
        motion.spin_rate[i, 0], motion.spin_rate[i, 1], motion.spin_rate[i, 2] = ux, uy, uz
        motion.velocity[i, 0], motion.velocity[i, 1], motion.velocity[i, 2] = vx, vy, vz
        motion.bias[i, 0], motion.bias[i, 1], motion.bias[i, 2] = bx, by, bz
    for s in range(tree.point.shape[0]):
        k = tree.point_joint[s]
        if k < 0:
            motion.point_velocity[s] = 0.0
            motion.point_bias[s] = 0.0
            continue
        wx, wy, wz = motion.spin[k, 0], motion.spin[k, 1], motion.spin[k, 2]
        rx = pose.point[s, 0] - pose.origin[k, 0]
        ry = pose.point[s, 1] - pose.origin[k, 1]
        rz = pose.point[s, 2] - pose.origin[k, 2]
        sx, sy, sz = cross(wx, wy, wz, rx, ry, rz)
        cx, cy, cz = cross(wx, wy, wz, sx, sy, sz)
        ex, ey, ez = cross(motion.spin_rate[k, 0], motion.spin_rate[k, 1], motion.spin_rate[k, 2], rx, ry, rz)
        motion.point_velocity[s, 0] = motion.velocity[k, 0] + sx
        motion.point_velocity[s, 1] = motion.velocity[k, 1] + sy
        motion.point_velocity[s, 2] = motion.velocity[k, 2] + sz
        motion.point_bias[s, 0] = motion.bias[k, 0] + ex + cx
        motion.point_bias[s, 1] = motion.bias[k, 1] + ey + cy
        motion.point_bias[s, 2] = motion.bias[k, 2] + ez + cz
