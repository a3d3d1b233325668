# SPDX-License-Identifier: Apache-2.0
r"""A point on a map of cells: the published domain (Feng et al. 2025), for hundreds of points in one compiled step.

    s in [0, rows] x [0, columns],   a in [-1, 1]^2,   ten sub-steps of 0.1 a, one axis after the other;

a sub-step into a blocked cell or off the map is left out, axis by axis. With the distance h to the nearest blocked
cell,

    C(s) = 2 - 2 h / r   for h <= r,   else 0,

a step costs the worst C over its sub-steps, its first state included; an episode also pays C of its first state. The
edge of the map costs nothing. r = 3 is the released configuration, r = 10 the paper's text.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.fleet.gcrl.cell_map import CellMap
from reflexarc.fleet.gcrl.maps import walls

SUBSTEPS = 10
NEAR = 3.0
"""Reach of the features that show the goal relative to the point. [m]"""


@dataclass(frozen=True, eq=False)
class PointDomain(CellMap):
    """A map with its costs; see the module. Lengths in cells of one metre, a step takes one second."""

    state_size = goal_size = action_size = 2
    feature_size = 6
    draws = 3
    period = 1.0

    def digest(self) -> str:
        """Return a hash of map, cost radius and goal radius, 16 hexadecimal digits."""
        return self.digest_with("point", SUBSTEPS)

    def sample(self, u: Any) -> Any:
        """Return the point of uniform numbers, shape (3,): a free cell and a place in it; shape (2,)."""
        free = jnp.asarray(np.argwhere(~self.blocked), dtype=jnp.float32)
        cell = jnp.minimum((u[0] * len(free)).astype(jnp.int32), len(free) - 1)
        return free[cell] + u[1:]

    def step(self, state: Any, action: Any) -> tuple[Any, Any]:
        """Return the next point and the worst cost on the way."""
        state, worst, _ = self.trace(state, action)
        return state, worst

    def trace(self, state: Any, action: Any) -> tuple[Any, Any, Any]:
        """Return next point, cost, and the points after every sub-step, shape (SUBSTEPS, 2)."""
        move = jnp.clip(action, -1.0, 1.0) / SUBSTEPS

        def substep(carry: Any, _: Any) -> tuple[Any, Any]:
            s, worst = carry
            for axis in (0, 1):
                there = s.at[axis].add(move[axis])
                s = jnp.where(self.is_blocked(there), s, there)
                worst = jnp.maximum(worst, self.cost(s))
            return (s, worst), s

        (state, worst), way = jax.lax.scan(substep, (state, self.cost(state)), None, length=SUBSTEPS)
        return state, worst, way

    def is_blocked(self, s: Any) -> Any:
        """Return whether a point lies in a blocked cell or off the map, shape ()."""
        rows, columns = self.blocked.shape
        size = jnp.array([rows, columns], dtype=jnp.float32)
        off = (s < 0.0).any() | (s > size).any()
        cell = jnp.clip(jnp.floor(s).astype(jnp.int32), 0, jnp.array([rows - 1, columns - 1]))
        return off | jnp.asarray(self.blocked)[cell[0], cell[1]]

    def cost(self, state: Any) -> Any:
        """Return C(s)."""
        return self.price(self.to_blocked(state))

    def state_at(self, place: Any, u: Any) -> Any:
        """Return the place itself."""
        del u
        return place

    def features(self, state: Any, goal: Any) -> Any:
        """Return point and goal over the map, and the goal relative to the point where it is near, shape (6,)."""
        half = jnp.array(self.extent, dtype=jnp.float32) / 2.0
        near = jnp.clip(goal - state, -NEAR, NEAR) / NEAR
        return jnp.concatenate([state / half - 1.0, goal / half - 1.0, near])


def point_domain(
    name: str, factor: int | None = None, cost_radius: float = 3.0, goal_radius: float = 0.5
) -> PointDomain:
    """Return the domain of a map in `reflexarc.fleet.gcrl.maps.MAPS`.

    Raises:
        ConfigError: no such map, or a number out of its bounds.
    """
    return PointDomain(name, walls(name, factor), cost_radius, goal_radius)
