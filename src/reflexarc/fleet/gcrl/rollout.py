# SPDX-License-Identifier: Apache-2.0
"""What a policy does: roll-outs of many pairs of start and goal at once, as the critics are judged by them."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.networks import act


class Rollouts(NamedTuple):
    """Outcome of n roll-outs."""

    steps: Array
    """Until the goal was reached, shape (n,); infinity if it was not. [steps]"""
    cost: Array
    """Of the steps, without that of the first state, shape (n,)."""
    start_cost: Array
    """Of the first state, shape (n,)."""

    @property
    def success(self) -> Any:
        """Whether each goal was reached, shape (n,)."""
        return np.isfinite(self.steps)


def roll_out(agent: Agent, states: Array, goals: Array, limit: int = 300) -> Rollouts:
    """Follow the agent's policy from states (n, state_size) to goals (n, goal_size) for at most `limit` steps."""
    here, there = (np.asarray(x, dtype=np.float32) for x in (states, goals))
    steps, cost, start = _run(agent.domain, limit, agent.networks.actor, here, there)
    return Rollouts(*(np.asarray(x, dtype=np.float64) for x in (steps, cost, start)))


@eqx.filter_jit
def _run(domain: Any, limit: int, actor: Any, states: Any, goals: Any) -> tuple[Any, Any, Any]:
    reached = jax.vmap(domain.reached)

    def step(carry: Any, _: Any) -> tuple[Any, None]:
        state, cost, count, arrived = carry
        action = act(actor, jax.vmap(domain.features)(state, goals))
        after, paid = jax.vmap(domain.step)(state, action)
        state = jnp.where(arrived[:, None], state, after)
        cost = cost + jnp.where(arrived, 0.0, paid)
        count = count + jnp.where(arrived, 0.0, 1.0)
        return (state, cost, count, arrived | reached(state, goals)), None

    n = len(states)
    begin = (states, jnp.zeros(n), jnp.zeros(n), jnp.zeros(n, dtype=bool))
    (_, cost, count, arrived), _ = jax.lax.scan(step, begin, None, length=limit)
    return jnp.where(arrived, count, jnp.inf), cost, jax.vmap(domain.cost)(states)
