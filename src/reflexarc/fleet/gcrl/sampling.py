# SPDX-License-Identifier: Apache-2.0
r"""Self-sampling of training problems (Feng et al. 2025, algorithm 1): the critics say which pairs are worth a try.

N random states and N random goals make N x N pairs. With the ensemble's mean m and spread s, and a wanted value v, the
k pairs with the smallest

    |m - v| - min(s, 1)

become the next problems: near what is wanted, and rather where the members disagree. What is predicted is the distance,
or the cost among pairs whose distance is not too long to be seen through.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reflexarc.fleet.gcrl.domain import Domain
from reflexarc.fleet.gcrl.networks import Networks, act, cost_atoms, distance_atoms, expectation_of


class Problems(NamedTuple):
    """Starts, shape (count, state_size), and goals, shape (count, goal_size)."""

    start: Any
    goal: Any


def best_pairs(mean: Any, spread: Any, wanted: Any, allowed: Any, keep: int) -> Any:
    """Return the `keep` best of N x N pairs as indices into the flattened table, shape (keep,).

    Args:
        mean: of the ensemble, shape (N, N).
        spread: standard deviation of the ensemble, shape (N, N).
        wanted: value that is wanted.
        allowed: which pairs may be taken, shape (N, N); others come last.
        keep: how many.
    """
    score = jnp.abs(mean - wanted) - jnp.clip(spread, 0.0, 1.0)
    return jax.lax.top_k(-jnp.where(allowed, score, 1e6).ravel(), keep)[1]


def self_sample(
    networks: Networks,
    domain: Domain,
    key: Any,
    groups: int,
    states: int,
    keep: int,
    distances: tuple[float, float],
    costs: tuple[float, float] | None,
    longest: float,
) -> Problems:
    """Return groups x keep problems.

    Args:
        networks: the critics that judge.
        domain: where states are drawn.
        key: JAX key.
        groups: each with a wanted value of its own.
        states: N.
        keep: k.
        distances: range of the wanted distances. [steps]
        costs: range of the wanted costs, of every other group; None: all groups want a distance.
        longest: largest predicted distance of a pair that is chosen by its cost. [steps]
    """

    def one(u: Any, want: Any, number: Any) -> Problems:
        drawn = jax.vmap(domain.sample)(u)
        starts, goals = drawn[:states], jax.vmap(domain.place)(drawn[states:])
        pairs = jax.vmap(lambda s: jax.vmap(lambda g: domain.features(s, g))(goals))(starts)
        features = pairs.reshape(-1, domain.feature_size)
        actions = act(networks.actor, features)

        def judged(critic: Any, atoms: Any) -> tuple[Any, Any]:
            values = expectation_of(critic, features, actions, atoms)
            return (
                values.mean(axis=0).reshape(states, states),
                values.std(axis=0).reshape(states, states),
            )

        mean, spread = judged(networks.distance, distance_atoms(networks.bins))
        allowed = jnp.ones_like(mean, dtype=bool)
        wanted = distances[0] + want * (distances[1] - distances[0])
        if costs is not None:
            by_cost = number % 2 == 1
            cost_mean, cost_spread = judged(networks.cost, cost_atoms())
            wanted = jnp.where(by_cost, costs[0] + want * (costs[1] - costs[0]), wanted)
            allowed = ~by_cost | (mean - spread <= longest)
            mean, spread = jnp.where(by_cost, cost_mean, mean), jnp.where(by_cost, cost_spread, spread)
        best = best_pairs(mean, spread, wanted, allowed, keep)
        return Problems(starts[best // states], goals[best % states])

    u = jax.random.uniform(key, (groups, 2 * states * domain.draws + 1))
    places = u[:, 1:].reshape(groups, 2 * states, domain.draws)
    found = jax.vmap(one)(places, u[:, 0], jnp.arange(groups))
    return Problems(*(x.reshape(groups * keep, -1) for x in found))
