# SPDX-License-Identifier: Apache-2.0
r"""Proximal policy optimisation of both players at once, with one critic of several heads.

    advantages    generalised estimate of every head (Schulman et al. 2016), time backwards
    actor         A = A_reward - lambda (A_cost - eta A_intensity)
    disturber     A = A_cost - price A_intensity,   zero-sum: A = -A_reward - price A_intensity
    each policy   maximise  E min(r A, clip(r, 1 - e, 1 + e) A) + entropy,   A of zero mean and unit deviation
    critic        squared error of every head, in units of the deviation of its returns

Schulman et al. 2017, arXiv 1707.06347. The learning rate of each player follows the divergence of its policy, as is
usual with massively parallel simulation (Rudin et al., CoRL 2021).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from reflexarc.core.config import quantity
from reflexarc.robust.networks import Gaussian, Players


@dataclass(frozen=True)
class PpoConfig:
    """Parameters."""

    gamma: float = quantity(0.99, low=0.0, high=1.0, doc="discount per step")
    trace: float = quantity(0.95, low=0.0, high=1.0, doc="lambda of the generalised advantage")
    clip: float = quantity(0.2, low=0.01, high=1.0, doc="e: the ratio of probabilities counts up to 1 +- e")
    entropy: float = quantity(0.005, low=0.0, high=1.0, doc="weight of the entropy of both policies")
    rate: float = quantity(1e-3, low=1e-7, high=1.0, doc="Adam's rate of the policies at the start")
    critic_rate: float | None = quantity(
        None, low=1e-7, high=1.0, doc="Adam's rate of the critic; null: that of the faster policy that learns"
    )
    divergence: float = quantity(
        0.01, low=0.0, high=1.0, doc="wanted divergence of a policy per iteration; 0: the rate stays"
    )
    epochs: int = quantity(4, low=1, high=50, doc="passes over what was collected")
    batches: int = quantity(4, low=1, high=256, doc="batches of a pass")
    most_gradient: float = quantity(1.0, low=1e-3, high=1e3, doc="norm at which gradients are cut")


class Collected(NamedTuple):
    """T steps of n episodes, each of shape (T, n, ...)."""

    seen: Any
    action: Any
    action_density: Any
    disturbance: Any
    disturbance_density: Any
    driven: Any
    """1 where the disturbance is the disturber's own, 0 where something else pushed."""
    gains: Any
    """Reward, cost and intensity, shape (T, n, 3)."""
    ended: Any
    """1 where the episode is over after the step."""


class Learning(NamedTuple):
    """Everything that an update changes."""

    players: Any
    """Arrays of `Players`."""
    optimisers: Any
    rates: Any
    """Of actor and disturber; the critic's is the larger one. Shape (2,)."""
    scale: Any
    """Mean and deviation of the returns of each head, shape (2, 3)."""


def values(players: Players, scale: Any, seen: Any) -> Any:
    """Return what the critic foresees of rows of any leading shape, shape (..., 3)."""
    flat = jax.vmap(players.critic)(seen.reshape(-1, seen.shape[-1]))
    return (flat * scale[1] + scale[0]).reshape(*seen.shape[:-1], -1)


def advantages(gains: Any, ended: Any, foreseen: Any, after: Any, gamma: float, trace: float) -> Any:
    """Return the advantages of every head, shape (T, n, 3).

    Args:
        gains: shape (T, n, 3).
        ended: shape (T, n).
        foreseen: values of the observations, shape (T, n, 3).
        after: values of the last observation, shape (n, 3).
        gamma: discount.
        trace: lambda of the estimate.
    """

    def back(carry: Any, now: Any) -> tuple[Any, Any]:
        advantage, following = carry
        gain, end, value = now
        going = (1.0 - end)[:, None]
        advantage = gain + gamma * going * following - value + gamma * trace * going * advantage
        return (advantage, value), advantage

    _, found = jax.lax.scan(back, (jnp.zeros_like(after), after), (gains, ended, foreseen), reverse=True)
    return found


def optimiser(config: PpoConfig) -> Any:
    """Return Adam without its rate, which is applied by the update."""
    return optax.chain(optax.clip_by_global_norm(config.most_gradient), optax.scale_by_adam(eps=1e-5))


def begin(players: Players, config: PpoConfig) -> Learning:
    """Return the state before the first update."""
    arrays = eqx.filter(players, eqx.is_array)
    adam = optimiser(config)
    parts = (arrays.actor, arrays.disturber, arrays.critic)
    return Learning(
        arrays,
        tuple(adam.init(part) for part in parts),
        jnp.full(2, config.rate),
        jnp.stack((jnp.zeros(3), jnp.ones(3))),
    )


def update(
    learning: Learning,
    static: Any,
    c: Collected,
    last: Any,
    weights: Any,
    floor: tuple[float, float],
    moves: tuple[bool, bool],
    zero_sum: bool,
    pace: Any,
    config: PpoConfig,
    key: Any,
) -> tuple[Learning, dict[str, Any]]:
    """Return what one iteration made of both players, and figures of it.

    Args:
        learning: before.
        static: of `Players`, what is no array.
        c: what was collected.
        last: observations after it, shape (n, o).
        weights: lambda, eta and price.
        floor: least standard deviations of both.
        moves: whether actor and disturber learn.
        zero_sum: whether the disturber minimises the actor's reward instead of raising the cost.
        pace: what all rates are multiplied by.
        config: parameters.
        key: of the order of the batches.
    """
    multiplier, bound, price = weights
    players = eqx.combine(learning.players, static)
    foreseen = values(players, learning.scale, c.seen)
    found = advantages(
        c.gains, c.ended, foreseen, values(players, learning.scale, last), config.gamma, config.trace
    )
    returns = found + foreseen
    # A head without gains (nobody pushes) has returns of nothing but the critic's own noise: in units of its deviation
    # that noise would never fall, and with the norm of the gradients cut the other heads would learn little.
    gained = (c.gains != 0.0).any(axis=(0, 1))
    returns = jnp.where(gained, returns, 0.0)
    scale = jnp.where(
        gained, jnp.stack((returns.mean(axis=(0, 1)), returns.std(axis=(0, 1)) + 1e-6)), learning.scale
    )
    # The critic's last layer is kept meaning the same numbers when their scale changes.
    players = _rescaled(players, learning.scale, scale)
    actor = found[..., 0] - multiplier * (found[..., 1] - bound * found[..., 2])
    disturber = (-found[..., 0] if zero_sum else found[..., 1]) - price * found[..., 2]
    rows = (
        c.seen, c.action, c.action_density, _unit(actor, jnp.ones_like(actor)),
        c.disturbance, c.disturbance_density, _unit(disturber, c.driven), c.driven,
        (returns - scale[0]) / scale[1],
    )  # fmt: skip
    rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
    count = len(rows[0]) // config.batches
    adam = optimiser(config)

    def batch(carry: Any, index: Any) -> tuple[Any, Any]:
        arrays, states, rates = carry
        part = jax.tree.map(lambda x: x[index], rows)
        gradient, figures = jax.grad(_loss, has_aux=True)(arrays, static, part, floor, config)
        turning = rates * moving
        critic = turning.max() if config.critic_rate is None else config.critic_rate
        speeds = (*(pace * turning), pace * critic)
        pieces, after = [], []
        for name, before, speed in zip(("actor", "disturber", "critic"), states, speeds, strict=True):
            change, moments = adam.update(getattr(gradient, name), before)
            pieces.append(jax.tree.map(lambda p, g, s=speed: p - s * g, getattr(arrays, name), change))
            after.append(moments)
        arrays = eqx.tree_at(lambda a: (a.actor, a.disturber, a.critic), arrays, tuple(pieces))
        if config.divergence > 0.0:
            far, near = (
                figures["divergence"] > 2.0 * config.divergence,
                figures["divergence"] < 0.5 * config.divergence,
            )
            changed = jnp.where(far, rates / 1.5, jnp.where(near, rates * 1.5, rates))
            rates = jnp.where(moving, jnp.clip(changed, 1e-5, 1e-2), rates)
        return (arrays, tuple(after), rates), figures

    moving = jnp.array(moves)
    orders = jax.vmap(lambda k: jax.random.permutation(k, len(rows[0])))(jax.random.split(key, config.epochs))
    orders = orders[:, : count * config.batches].reshape(-1, count)
    start = (eqx.filter(players, eqx.is_array), learning.optimisers, learning.rates)
    (arrays, states, rates), figures = jax.lax.scan(batch, start, orders)
    told = {name: figures[name].mean(axis=0) for name in ("critic_loss", "divergence", "entropy")}
    told["rates"] = rates
    return Learning(arrays, states, rates, scale), told


def _unit(x: Any, where: Any) -> Any:
    """Zero mean and unit deviation among the rows that count."""
    count = jnp.maximum(where.sum(), 1.0)
    mean = (x * where).sum() / count
    deviation = jnp.sqrt((where * (x - mean) ** 2).sum() / count)
    return where * (x - mean) / (deviation + 1e-8)


def _rescaled(players: Players, before: Any, after: Any) -> Players:
    last = players.critic.layers[-1]
    ratio = before[1] / after[1]
    weight = last.weight * ratio[:, None]
    bias = (last.bias * before[1] + before[0] - after[0]) / after[1]
    return eqx.tree_at(
        lambda p: (p.critic.layers[-1].weight, p.critic.layers[-1].bias), players, (weight, bias)
    )


def _surrogate(
    policy: Gaussian, seen: Any, raw: Any, before: Any, advantage: Any, count: Any, floor: float, clip: float
) -> tuple[Any, Any, Any]:
    density, entropy = policy.density(seen, raw, floor)
    shift = jnp.clip(density - before, -20.0, 20.0)
    ratio = jnp.exp(shift)
    gained = jnp.minimum(ratio * advantage, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantage)
    total = jnp.maximum(count.sum(), 1.0)
    return -(gained * count).sum() / total, entropy, (((ratio - 1.0) - shift) * count).sum() / total


def _loss(arrays: Any, static: Any, rows: Any, floor: Any, config: PpoConfig) -> tuple[Any, Any]:
    players = eqx.combine(arrays, static)
    seen, action, was_a, adv_a, push, was_d, adv_d, driven, returns = rows
    actor, entropy_a, far_a = _surrogate(
        players.actor, seen, action, was_a, adv_a, jnp.ones_like(was_a), floor[0], config.clip
    )
    disturber, entropy_d, far_d = _surrogate(
        players.disturber, seen, push, was_d, adv_d, driven, floor[1], config.clip
    )
    error = ((jax.vmap(players.critic)(seen) - returns) ** 2).mean()
    loss = actor + disturber + 0.5 * error - config.entropy * (entropy_a + entropy_d)
    return loss, {
        "critic_loss": error,
        "divergence": jnp.stack((far_a, far_d)),
        "entropy": jnp.stack((entropy_a, entropy_d)),
    }
