# SPDX-License-Identifier: Apache-2.0
"""The peers' kinematics and dynamics: an arm in JAX, from the same placements and inertias as ours.

Own code for the benchmark alone; `worst_disagreement` compares it with pinocchio before anything is timed.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pinocchio as pin

from reflexarc.barrier.arm.kinematics import build_tree
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm

GRAVITY = np.array([0.0, 0.0, -9.81])


class JaxArm(NamedTuple):
    """Constants of a serial arm whose joints all turn."""

    rotation: Array
    """Joint placements, shape (n, 3, 3)."""
    translation: Array
    """Shape (n, 3). [m]"""
    axis: Array
    """Shape (n, 3)."""
    point_joint: Array
    """Joint that carries each point: the moving spheres and, last, the end effector; shape (s,)."""
    point: Array
    """In the joint's frame, shape (s, 3). [m]"""
    radius: Array
    """Of the spheres, shape (s - 1,). [m]"""
    mass: Array
    """Shape (n,). [kg]"""
    lever: Array
    """Centres of mass in the joints' frames, shape (n, 3). [m]"""
    inertia: Array
    """About the centres of mass, in the joints' frames, shape (n, 3, 3). [kg m^2]"""


def build(arm: Arm) -> JaxArm:
    """Return the constants of `arm`."""
    tree, radius = build_tree(arm)
    moving = [*range(arm.spheres.moving), len(tree.point) - 1]
    bodies = [arm.model.inertias[i + 1] for i in range(arm.n)]
    return JaxArm(
        tree.rotation,
        tree.translation,
        tree.axis,
        tree.point_joint[moving],
        tree.point[moving],
        radius[: arm.spheres.moving],
        np.array([b.mass for b in bodies]),
        np.array([b.lever for b in bodies]),
        np.array([b.inertia for b in bodies]),
    )


def placements(arm: JaxArm, q: Any) -> tuple[Any, Any, Any]:
    """Return the joints' rotations (n, 3, 3), origins (n, 3) and axes (n, 3) in the world."""
    rotation, origin = jnp.eye(3), jnp.zeros(3)
    rotations, origins = [], []
    sine, cosine = jnp.sin(q), jnp.cos(q)
    for i in range(len(arm.axis)):
        x, y, z = arm.axis[i]
        k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        turn = np.eye(3) + sine[i] * k + (1.0 - cosine[i]) * (k @ k)
        origin = origin + rotation @ arm.translation[i]
        rotation = rotation @ arm.rotation[i] @ turn
        rotations.append(rotation)
        origins.append(origin)
    stacked = jnp.stack(rotations)
    return stacked, jnp.stack(origins), jnp.einsum("nij,nj->ni", stacked, arm.axis)


def points(arm: JaxArm, q: Any) -> Any:
    """Return the spheres' centres and, last, the end effector, shape (s, 3)."""
    rotation, origin, _ = placements(arm, q)
    return origin[arm.point_joint] + jnp.einsum("sij,sj->si", rotation[arm.point_joint], arm.point)


def dynamics(arm: JaxArm, q: Any, dq: Any) -> tuple[Any, Any]:
    """Return M(q) of shape (n, n) and the gravity, Coriolis and centrifugal torques of shape (n,)."""
    rotation, origin, axis = placements(arm, q)
    n = len(arm.mass)
    centre = origin + jnp.einsum("nij,nj->ni", rotation, arm.lever)
    inertia = jnp.einsum("nij,njk,nlk->nil", rotation, arm.inertia, rotation)
    carries = np.tril(np.ones((n, n)))  # body i, joint j
    linear = carries[:, :, None] * jnp.cross(axis[None], centre[:, None] - origin[None])  # (n, n, 3)
    angular = carries[:, :, None] * axis[None]
    mass = jnp.einsum("i,ija,ika->jk", arm.mass, linear, linear)
    mass = mass + jnp.einsum("ija,iab,ikb->jk", angular, inertia, angular)
    spin, spin_rate = jnp.zeros(3), jnp.zeros(3)
    acceleration, before = -jnp.asarray(GRAVITY), jnp.zeros(3)
    force, moment = [], []
    for i in range(n):
        arm_to = origin[i] - before
        acceleration = acceleration + jnp.cross(spin_rate, arm_to) + jnp.cross(spin, jnp.cross(spin, arm_to))
        spin_rate = spin_rate + jnp.cross(spin, axis[i]) * dq[i]
        spin = spin + axis[i] * dq[i]
        before = origin[i]
        r = centre[i] - origin[i]
        at_centre = acceleration + jnp.cross(spin_rate, r) + jnp.cross(spin, jnp.cross(spin, r))
        force.append(arm.mass[i] * at_centre)
        moment.append(inertia[i] @ spin_rate + jnp.cross(spin, inertia[i] @ spin))
    bias = jnp.einsum("ija,ia->j", linear, jnp.stack(force)) + jnp.einsum(
        "ija,ia->j", angular, jnp.stack(moment)
    )
    return mass, bias


def worst_disagreement(arm: Arm, jax_arm: JaxArm, samples: int = 20) -> float:
    """Return the largest difference from pinocchio: points [m], entries of M, bias torques [N m]."""
    rng, data = np.random.default_rng(0), arm.model.createData()
    frames = [*arm.spheres.links[: arm.spheres.moving], arm.end_effector]
    local = [*arm.spheres.centre[: arm.spheres.moving], np.zeros(3)]
    worst = 0.0
    for _ in range(samples):
        q, dq = rng.uniform(arm.lower, arm.upper), rng.normal(size=arm.n)
        pin.framesForwardKinematics(arm.model, data, q)
        expected = [
            data.oMf[arm.model.getFrameId(f)].act(np.array(c)) for f, c in zip(frames, local, strict=True)
        ]
        mass, bias = dynamics(jax_arm, q, dq)
        full = np.triu(pin.crba(arm.model, data, q))
        full = full + np.triu(full, 1).T
        torque = pin.nonLinearEffects(arm.model, data, q, dq)
        for ours, theirs in ((points(jax_arm, q), expected), (mass, full), (bias, torque)):
            worst = max(worst, float(np.abs(np.asarray(ours) - np.asarray(theirs)).max()))
    return worst
