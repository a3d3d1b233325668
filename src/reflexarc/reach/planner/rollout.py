# SPDX-License-Identifier: Apache-2.0
r"""Particles on candidate segments: compiled rollouts of the tracking error, and a softened risk.

A particle with the errors (x_e, y_e, theta_e[, z_e]) on a reference at (p_ref, theta_ref) is a robot at

    p = p_ref - R(theta_ref - theta_e) [x_e, y_e],     z = z_ref - z_e

(`reflexarc.reach.systems.tracking`). The errors follow the plan's inputs through `reflexarc.reach.liouville.propagate`,
with outputs every 0.1 s. The softened risk, for gradients, is the mean over particles of sigmoid(depth / 0.05 m), with
the greatest depth inside an obstacle over the segment.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.liouville import propagate
from reflexarc.reach.planner.plan import HALF, HALVES, INPUTS
from reflexarc.reach.planner.scene import Case, Scene
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import SYSTEMS
from reflexarc.reach.systems.tracking import Reference

DT = 0.1
"""Between two looks for contacts. [s]"""
COARSE = 0.25
"""Step of particles on segments that need no look. [s]"""
LONGEST = 24
"""Most segments of a plan."""
SOFT = 0.05
"""[m]"""
NEAREST = 8
"""Obstacles that the softened risk looks at."""
_FAR = 1e3


class Surroundings(NamedTuple):
    """What the softened risk looks at, float32."""

    centre: Any
    """Shape (8, d)."""
    reach: Any
    """Radius with the robot's, shape (8,)."""
    low: Any
    """Edges of the workspace for the robot's centre, shape (d,)."""
    high: Any


def surroundings(scene: Scene, pose: Array, elapsed: float) -> Surroundings:
    """Return the obstacles nearest to `pose`, where they are at the mission's time `elapsed` [s]."""
    d = scene.case.dimension
    at = scene.centre_at(elapsed)
    near = np.argsort(np.linalg.norm(at - pose[:3], axis=1) - scene.radius)[:NEAREST]
    centre, reach = np.full((NEAREST, d), _FAR, np.float32), np.ones(NEAREST, np.float32)
    centre[: len(near)] = at[near, :d]
    reach[: len(near)] = scene.radius[near] + scene.case.robot
    low = np.full(d, scene.case.robot, np.float32)
    return Surroundings(centre, reach, low, np.asarray(scene.case.size, np.float32) - low)


class Rollouts:
    """The compiled functions of one case; arrays are float32."""

    def __init__(self, case: Case):
        self.case = case
        self._carry, self._path, self._paths, self._soft = _compiled(case.name, case.dimension)

    def carry(self, x: Any, controls: Array) -> Any:
        """Errors (N, n) at the end of segments with controls (S, 2, 3), S <= 24, shape (N, n)."""
        padded = np.zeros((LONGEST, HALVES, INPUTS), np.float32)
        padded[: len(controls)] = controls
        return self._carry(jnp.asarray(x, jnp.float32), padded, len(controls))

    def path(self, x: Any, pose: Array, controls: Array) -> tuple[Array, Any]:
        """Where the robots are every 0.1 s of a segment, its start included.

        Args:
            x: errors at the start of the segment, shape (N, n).
            pose: of the reference there, shape (4,).
            controls: of the segment, shape (2, 3).

        Returns:
            Positions, shape (11, N, d), and errors at the end, shape (N, n).
        """
        where, last = self._path(*_single(x, pose, controls))
        return np.asarray(where), last

    def paths(self, x: Any, pose: Array, controls: Array) -> Array:
        """Positions on candidates with controls (C, 2, 3), shape (C, 11, N, d); otherwise as `path`."""
        return np.asarray(self._paths(*_single(x, pose, controls)))

    def soft_gradient(
        self, x: Any, pose: Array, controls: Array, around: Surroundings
    ) -> tuple[float, Array]:
        """Softened risk of one candidate (2, 3) and its gradient with respect to the inputs of its halves."""
        x, *arrays = _single(x, pose, controls)
        value, slope = self._soft(arrays[1], x, arrays[0], around)
        return float(value), np.asarray(slope, np.float64)


def _single(x: Any, pose: Array, controls: Array) -> tuple[Any, np.ndarray, np.ndarray]:
    return jnp.asarray(x, jnp.float32), pose.astype(np.float32), controls.astype(np.float32)


@functools.cache
def _compiled(name: str, dimension: int) -> tuple[Any, ...]:
    fine = dataclasses.replace(SYSTEMS[name], dt=DT)
    coarse = dataclasses.replace(SYSTEMS[name], dt=COARSE)

    def half(system: ClosedLoop, x: Any, inputs: Any) -> Any:
        steps = round(HALF / system.dt)
        reference = Reference(jnp.zeros(1, x.dtype), inputs[:1], inputs[1:2])
        return propagate(system, x, steps, 1, "rk4", reference, 0.0, gain=False)[1]

    def carry(x: Any, controls: Any, count: Any) -> Any:
        flat = controls.reshape(-1, INPUTS)
        return jax.lax.fori_loop(0, HALVES * count, lambda k, x: half(coarse, x, flat[k])[-1], x)

    def segment(x: Any, pose: Any, controls: Any) -> tuple[Any, Any]:
        """Positions (11, N, d), and the errors at the end."""
        t = DT * jnp.arange(round(HALF / DT) + 1, dtype=x.dtype)

        def follow(state: tuple[Any, Any], inputs: Any) -> tuple[tuple[Any, Any], Any]:
            path, where = half(fine, state[0], inputs), _advance(state[1], inputs, t)  # (T, N, n), (T, 4)
            return (path[-1], where[-1]), _world(path[1:], where[1:], dimension)

        (last, _), position = jax.lax.scan(follow, (x, pose), controls)  # (2, T - 1, N, d)
        first = _world(x[None], pose[None], dimension)
        return jnp.concatenate([first, position.reshape(-1, *position.shape[2:])]), last

    def paths(x: Any, pose: Any, controls: Any) -> Any:
        return jax.vmap(lambda u: segment(x, pose, u)[0])(controls)

    def soft(controls: Any, x: Any, pose: Any, around: Surroundings) -> Any:
        position, _ = segment(x, pose, controls)
        edges = jnp.maximum(around.low - position, position - around.high).max(axis=-1)  # (T, N)
        offset = position[:, :, None] - around.centre  # (T, N, 8, d)
        inside = (around.reach - jnp.sqrt((offset**2).sum(axis=-1) + 1e-6)).max(axis=-1)
        return jax.nn.sigmoid(jnp.maximum(edges, inside).max(axis=0) / SOFT).mean()

    return jax.jit(carry), jax.jit(segment), jax.jit(paths), jax.jit(jax.value_and_grad(soft))


def _advance(pose: Any, inputs: Any, t: Any) -> Any:
    """`plan.advance` for times (T,), traceable."""
    v, w, climb = inputs[0], inputs[1], inputs[2]
    turn = 0.5 * w * t
    chord = v * t * jnp.sinc(turn / jnp.pi)
    direction = pose[3] + turn
    return jnp.stack(
        [
            pose[0] + chord * jnp.cos(direction),
            pose[1] + chord * jnp.sin(direction),
            pose[2] + climb * t,
            pose[3] + w * t,
        ],
        axis=-1,
    )


def _world(path: Any, where: Any, dimension: int) -> Any:
    """Positions of errors (T, N, n) on poses (T, 4), shape (T, N, d)."""
    theta = where[:, 3, None] - path[..., 2]
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    position = [
        where[:, 0, None] - cos * path[..., 0] + sin * path[..., 1],
        where[:, 1, None] - sin * path[..., 0] - cos * path[..., 1],
    ]
    return jnp.stack(position + [where[:, 2, None] - path[..., 3]] * (dimension == 3), axis=-1)
