# SPDX-License-Identifier: Apache-2.0
r"""Transitions as actor-critic learners use them: scaled, on the device, with returns over several recorded steps.

For a row that starts at step t of a recording and runs over k steps, with a discount g per step,

    reward = (1 - g) sum_i g^i r_{t+i},   cost = (1 - g) sum_i g^i 1{l_{t+i} < 0},   least = min_i l_{t+i},   i < k,

so that values are weighted means of rewards, and the cost's value is the discounted share of time in the failure set.
k = 1 is the textbook backup. A longer one carries values further at each step, which a system that is sampled every
few milliseconds needs; it takes the recorded inputs in between as they are (no correction), like n-step returns.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.learn.networks import Params, apply_ensemble, scaling
from reflexarc.barrier.learn.transitions import Transitions, compose
from reflexarc.core.types import Array


class Scaling(NamedTuple):
    """Affine maps of states and inputs to about [-1, 1]."""

    centre: Array
    """Of the states, shape (n,)."""
    scale: Array
    """Shape (n,)."""
    middle: Array
    """Of the inputs, shape (m,)."""
    half: Array
    """Half of the inputs' range, shape (m,)."""

    def state(self, x: Array) -> Any:
        """Return the scaled states (batch, n) in single precision."""
        return jnp.asarray((np.asarray(x) - self.centre) / self.scale, dtype=jnp.float32)

    def input(self, u: Array) -> Any:
        """Return the scaled inputs (batch, m) in single precision."""
        return jnp.asarray((np.asarray(u) - self.middle) / self.half, dtype=jnp.float32)

    def unscaled_input(self, a: Any) -> Array:
        """Return the inputs that scaled ones stand for."""
        return np.asarray(a, dtype=np.float64) * self.half + self.middle


def scaling_of(data: Transitions) -> Scaling:
    """Return the maps that bring the recorded states and the inputs' bounds to [-1, 1]."""
    centre, scale = scaling(np.concatenate([data.x, data.next_x]))
    middle, half = 0.5 * (data.lower + data.upper), np.maximum(0.5 * (data.upper - data.lower), 1e-6)
    return Scaling(centre, scale, middle, half)


class Rows(NamedTuple):
    """All rows of a data set; each field has the rows first."""

    z: Any
    """Scaled state."""
    a: Any
    """Scaled input."""
    after: Any
    """Scaled state at the end of the backup."""
    reward: Any
    cost: Any
    least: Any
    """Least margin on the way, both ends of the first step included, the last state not. [unit of l]"""
    end_margin: Any
    """Margin at the end of the backup."""
    discount: Any
    """g^k."""
    terminal: Any
    """1.0 where the task ended at the end of the backup."""

    def draw(self, key: Any, count: int) -> "Rows":
        """Return `count` rows drawn with replacement."""
        rows = jax.random.randint(key, (count,), 0, self.z.shape[0])
        return Rows(*(field[rows] for field in self))


def replay(
    data: Transitions, gamma: float, backup: int, least_reward: float | None = None
) -> tuple[Rows, Scaling]:
    """Return the rows of `data` for backups over up to `backup` steps, and their scaling.

    Args:
        data: what was recorded.
        gamma: discount per recorded step, below 1.
        backup: most recorded steps of a row.
        least_reward: where given, all rewards are shifted so that the least is this.

    Raises:
        ConfigError: `backup` is below 1.
    """
    paths = compose(data, backup)
    length = paths.end - paths.start + 1
    cost = (data.margin < 0.0).astype(np.float64)
    rewards = data.reward if least_reward is None else data.reward - data.reward.min() + least_reward
    reward_sum, cost_sum = np.zeros((2, len(data)))
    for k in range(backup):
        row = np.flatnonzero(k < length)
        reward_sum[row] += gamma**k * rewards[row + k]
        cost_sum[row] += gamma**k * cost[row + k]
    scales = scaling_of(data)

    def single(array: np.ndarray) -> Any:
        return jnp.asarray(array, dtype=jnp.float32)

    rows = Rows(
        scales.state(data.x),
        scales.input(data.u),
        scales.state(data.next_x[paths.end]),
        single((1.0 - gamma) * reward_sum),
        single((1.0 - gamma) * cost_sum),
        single(paths.least),
        single(data.next_margin[paths.end]),
        single(gamma**length),
        single(data.terminal[paths.end].astype(np.float64)),
    )
    return rows, scales


def apply_critics(params: Params, z: Any, a: Any) -> Any:
    """Return Q of every member of an ensemble for states (..., n) and inputs (..., m): (members, ...)."""
    lead = a.shape[:-1]
    pairs = jnp.concatenate([z, a], axis=-1).reshape(-1, z.shape[-1] + a.shape[-1])
    return apply_ensemble(params, pairs).reshape(-1, *lead)


def longest_recording(data: Transitions) -> int:
    """Return the number of steps of the longest recording."""
    ends = np.flatnonzero(data.last)
    if len(ends) == 0 or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data) - 1)
    return int(np.diff(np.concatenate(([-1], ends))).max())


def discounted_share(limit: float, steps: int, gamma: float) -> float:
    """Return the scaled discounted cost of an episode of `steps` steps with `limit` costs spread evenly over it."""
    return limit / steps * (1.0 - gamma**steps)
