# SPDX-License-Identifier: Apache-2.0
"""The same filter problem in cbfpy: rectangle footprint, twenty discs, two supporting corners each, unicycle,
input bounds.

cbfpy's barriers are functions of the state, h(x) with rows L_g h u >= -alpha(h) - L_f h, so the stopping
distance enters through a constant class-K gain, alpha(h) = h / (tau + v_max / (2 a)), instead of through the
command. Geometry, number of rows (40 + 4 bounds) and variables (2) are those of ours; both compute everything
from positions and velocities in each call.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from cbfpy import CBF, CBFConfig
from scenes import OBSTACLES, Scene

from reflexarc.arc import ArcConfig
from reflexarc.arc.barrier_stage import stopping_parameters
from reflexarc.core.types import Array
from reflexarc.robots import load_robot

_MAX_SPEED = 1.5
_CORNERS = 2


class SidewalkConfig(CBFConfig):
    """State (x, y, yaw), input (v, omega); people are arguments."""

    def __init__(self, backend: str):
        """Take the robot's numbers from its parameter file; `backend` is qpax or elastiqp."""
        robot = load_robot(ArcConfig().robot)
        p = stopping_parameters(ArcConfig(), robot)
        self._half = jnp.array([p.half_length, p.half_width])
        self._margin = p.clearance + p.sigmas * 0.05
        self._gain = 1.0 / (p.delay + _MAX_SPEED / (2.0 * p.deceleration))
        example = (np.ones((OBSTACLES, 2)) * 3.0, np.zeros((OBSTACLES, 2)), np.full(OBSTACLES, 0.3))
        super().__init__(
            n=3,
            m=2,
            u_min=(0.0, -robot.max_yaw_rate),
            u_max=(_MAX_SPEED, robot.max_yaw_rate),
            backend=backend,
            init_args=example,
        )

    def f(self, z, *args):
        """No drift."""
        return jnp.zeros(3)

    def g(self, z, *args):
        """Unicycle."""
        return jnp.array([[jnp.cos(z[2]), 0.0], [jnp.sin(z[2]), 0.0], [0.0, 1.0]])

    def _normals(self, z, position):
        c, s = jnp.cos(z[2]), jnp.sin(z[2])
        rotation = jnp.array([[c, -s], [s, c]])
        body = (position - z[:2]) @ rotation
        gap = body - jnp.clip(body, -self._half, self._half)
        return rotation, jax.lax.stop_gradient(gap / (jnp.linalg.norm(gap, axis=1, keepdims=True) + 1e-9))

    def h_1(self, z, position, velocity, radius):
        """Gap along the fixed normal from each of the two supporting corners."""
        rotation, normal = self._normals(z, position)
        first = jnp.where(normal >= 0.0, self._half, -self._half)
        across_front = (jnp.abs(normal[:, :1]) * self._half[0]) < (jnp.abs(normal[:, 1:]) * self._half[1])
        flip = jnp.where(across_front, jnp.array([-1.0, 1.0]), jnp.array([1.0, -1.0]))
        world_normal = normal @ jax.lax.stop_gradient(rotation).T
        gaps = []
        for corner in (first, first * flip):
            point = z[:2] + jax.lax.stop_gradient(corner) @ rotation.T
            gaps.append((world_normal * (position - point)).sum(axis=1) - radius - self._margin)
        return jnp.concatenate(gaps)

    def alpha(self, h, z=None, *args):
        """Constant gain: the braking distance of the top speed."""
        return self._gain * h


def cbfpy_filters() -> dict[str, Callable[[Scene], Array]]:
    """Return cbfpy's filter with each of its two solvers, compiled."""
    filters = {}
    for backend in ("qpax", "elastiqp"):
        cbf = CBF.from_config(SidewalkConfig(backend))

        def call(scene: Scene, cbf: CBF = cbf) -> Array:
            obstacles = scene.state.obstacles
            command = cbf.safety_filter(
                scene.state.pose,
                scene.proposal.twist,
                obstacles.position,
                obstacles.velocity,
                obstacles.radius,
            )
            return np.asarray(command)

        filters[f"cbfpy_{backend}"] = call
    return filters
