# SPDX-License-Identifier: Apache-2.0
r"""Driving the edges of a roadmap with a learned policy that stays in a tube around them.

The policy proposes a move a from x; x + a is put onto the nearest point of the tube (all points within `tube` of the
segment u-v), and the move there is shortened to [-1, 1]^2. The tube is convex, so the whole move stays in it:
whatever the policy proposes, the robot is within `tube` of its edge. At a wall, however, a point slides, which can
lead out of the tube: a move that would do so is replaced by one straight to v, else by one back onto the segment, else
by none. The policy aims one goal radius beyond v, because within the goal radius of a goal it was never asked to move.
A move shorter than `CREEP` that does not arrive is replaced by one straight to v; how often is counted.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.point import PointDomain

CREEP = 0.1
"""Moves shorter than this are replaced. [m]"""
AT = 0.999
"""Share of the tube within which a vertex counts as reached: rounding must not lead out of it."""


class Moves(NamedTuple):
    """One step of n robots."""

    states: Array
    """Shape (n, 2). [m]"""
    costs: Array
    """Shape (n,)."""
    ways: Array
    """Points after every sub-step, shape (n, substeps, 2). [m]"""
    changed: Array
    """Whether the tube changed the policy's move, shape (n,)."""
    crept: Array
    """Whether the move was replaced, shape (n,)."""


def in_tube(x: Any, action: Any, u: Any, v: Any, tube: Any) -> tuple[Any, Any, Any]:
    """Return the move that stays in the tube around u-v, whether it was changed, and whether it was replaced."""
    wanted = jnp.clip(action, -1.0, 1.0)
    target = x + wanted
    foot = _foot(target, u, v)
    off = target - foot
    far = jnp.sqrt((off**2).sum())
    kept = foot + off * jnp.minimum(1.0, AT * tube / jnp.maximum(far, 1e-9))
    move = _in_box(kept - x)
    rest = v - x
    arrives = ((x + move - v) ** 2).sum() <= tube**2
    creep = ((move**2).sum() < CREEP**2) & ~arrives
    move = jnp.where(creep, _in_box(rest), move)
    return move, ((move - wanted) ** 2).sum() > 1e-6, creep


def _foot(point: Any, u: Any, v: Any) -> Any:
    """Return the point of the segment u-v that is nearest."""
    line = v - u
    square = (line**2).sum()
    share = jnp.where(square > 0.0, ((point - u) * line).sum() / jnp.maximum(square, 1e-12), 0.0)
    return u + jnp.clip(share, 0.0, 1.0) * line


def _in_box(move: Any) -> Any:
    return move / jnp.maximum(jnp.abs(move).max(), 1.0)


@eqx.filter_jit
def _steps(domain: PointDomain, actor: Any, x: Any, u: Any, v: Any, mode: Any, tube: Any) -> Any:
    """One step of every robot: mode 0 holds, 1 drives in the tube, 2 follows the policy to v."""

    def one(x: Any, u: Any, v: Any, mode: Any) -> Any:
        line = v - u
        long = jnp.sqrt((line**2).sum())
        beyond = v + domain.goal_radius * line / jnp.maximum(long, 1e-9)
        goal = jnp.where(mode == 1, beyond, v)
        free = actor(domain.features(x, goal))
        kept, changed, crept = in_tube(x, free, u, v, tube)
        drives = jnp.stack([kept, _in_box(v - x), _in_box(_foot(x, u, v) - x), jnp.zeros(2)])
        states, costs, ways = jax.vmap(domain.trace, (None, 0))(x, drives)
        off = ways - jax.vmap(jax.vmap(_foot, (0, None, None)), (0, None, None))(ways, u, v)
        inside = ((off**2).sum(axis=-1) <= tube**2).all(axis=-1)
        chosen = jnp.argmax(inside.at[-1].set(True))
        driven = states[chosen], costs[chosen], ways[chosen]
        other = domain.trace(x, jnp.where(mode == 2, free, 0.0))
        state, cost, way = (jnp.where(mode == 1, a, b) for a, b in zip(driven, other, strict=True))
        return state, cost, way, (changed | (chosen > 0)) & (mode == 1), crept & (mode == 1)

    return jax.vmap(one)(x, u, v, mode)


def step_team(agent: Agent, x: Array, u: Array, v: Array, mode: np.ndarray, tube: float) -> Moves:
    """Return one step of n robots of an agent on a point map.

    Args:
        agent: its policy drives.
        x: where they are, shape (n, 2). [m]
        u: where their edges begin, shape (n, 2). [m]
        v: where their edges end, or their goals, shape (n, 2). [m]
        mode: 0 holds, 1 drives in the tube around u-v, 2 follows the policy to v; shape (n,).
        tube: [m]

    Raises:
        ConfigError: the agent is not one of a point map.
    """
    domain = agent.domain
    if not isinstance(domain, PointDomain):
        raise ConfigError(
            f"agent of {domain.name}: moves in a tube are made for points only; nothing was moved"
        )
    n = len(x)
    size = 1 << max(int(np.ceil(np.log2(max(n, 1)))), 5)

    def padded(array: Array) -> Any:
        out = np.zeros((size, *np.shape(array)[1:]), dtype=np.float32)
        out[:n] = array
        return out

    modes = np.zeros(size, dtype=np.int32)
    modes[:n] = mode
    found = _steps(domain, agent.networks.actor, padded(x), padded(u), padded(v), modes, np.float32(tube))
    s, c, w, changed, crept = (np.asarray(part)[:n] for part in found)
    return Moves(s.astype(np.float64), c.astype(np.float64), w.astype(np.float64), changed, crept)


class Driven(NamedTuple):
    """Edges as they were driven, shape (n,) each."""

    steps: Array
    """Infinity where v was not reached. [steps]"""
    cost: Array


def drive_edges(agent: Agent, u: Array, v: Array, tube: float, limit: int) -> Driven:
    """Drive edges u -> v, shape (n, 2) each, in their tubes, from u itself."""
    x = np.array(u, dtype=np.float64)
    steps, cost = np.full(len(u), np.inf), np.zeros(len(u))
    for k in range(1, limit + 1):
        going = np.flatnonzero(~np.isfinite(steps))
        if not len(going):
            break
        moves = step_team(agent, x[going], u[going], v[going], np.ones(len(going), dtype=int), tube)
        x[going] = moves.states
        cost[going] += moves.costs
        steps[going[np.hypot(*(moves.states - v[going]).T) <= tube]] = k
    return Driven(steps, cost)
