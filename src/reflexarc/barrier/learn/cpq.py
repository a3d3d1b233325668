# SPDX-License-Identifier: Apache-2.0
r"""Constraints penalised Q-learning, learner `cpq`: safe offline reinforcement learning under an expected cost.

Two critics of the recorded data, one for the reward, one for the cost c = 1{l < 0}, and a squashed Gaussian policy p:

    Qc(x, u) <- c + g Qc'(x', p(x')),     pushed up for inputs of the policy that the data do not support,
    Q(x, u)  <- r + g 1{ Qc'(x', p(x')) <= limit } Q'(x', p(x')),
    p maximises  1{ Qc(x, p(x)) <= limit } Q(x, p(x)).

Whether an input is unsupported is judged by the divergence of its latents in a conditional variational auto-encoder of
the recorded inputs; the weight of the push is a multiplier that grows until the mean cost of the unsupported inputs is
`cost_scale` times the limit.

Where this differs from the publication (Xu, Zhan, Zhu, AAAI 2022, arXiv 2107.09003) and from OSRL (liuzuxin/OSRL
03a4586, whose constants are used): rewards are shifted to be non-negative by the least one in the data, because the
penalised operator replaces future reward by zero, which would be a prize where rewards are negative. An input is
unsupported beyond the quantile `support` of the recorded inputs' divergence (OSRL: the upper quarter of whatever the
policy draws), and the push ends at its target (without end the critic diverges where there are no data); OSRL computes
it without gradient, so that it has no effect there. Where its input is not allowed the policy descends the cost, with
weight `recovery`; the published objective has no gradient there, and a policy that once got there stays. Values are
scaled by 1 - g; backups may run over several recorded steps (`backup`; 1 is the published one); networks, batches,
numbers of samples and the weight of the auto-encoder's divergence are smaller.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.behaviour import cvae_loss, divergence, encode, init_cvae
from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import apply_mlp, init_ensemble, init_mlp, polyak
from reflexarc.barrier.learn.replay import (
    Rows,
    apply_critics,
    discounted_share,
    longest_recording,
    replay,
)
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class CpqConfig:
    """Parameters of the learner."""

    steps: int = 12_000
    batch: int = 128
    hidden: tuple[int, ...] = (64, 64)
    critics: int = 2
    backup: int = 4
    """Recorded steps per backup."""
    gamma: float = 0.99
    """Discount per recorded step."""
    cost_limit: float = 10.0
    """Steps in the failure set that an episode may have, in expectation."""
    episode: int = 0
    """Steps of an episode; 0 takes the longest recording."""
    cost_scale: float = 1.5
    samples: int = 4
    """Inputs of the policy that are judged per state."""
    support: float = 0.95
    """Quantile of the recorded inputs' divergence beyond which an input is unsupported."""
    kl_weight: float = 0.1
    """Of the auto-encoder's divergence."""
    recovery: float = 1.0
    """Weight of the cost in the policy's objective where its input is not allowed; 0 is the published one."""
    polyak: float = 0.005
    actor_rate: float = 3e-4
    critic_rate: float = 1e-3
    multiplier_rate: float = 1e-3
    first_multiplier: float = 1.0
    """Of the push on unsupported inputs; 0 turns it off."""


class _Networks:
    """Pure functions of the weights."""

    def __init__(self, c: CpqConfig, limit: float):
        self.c, self.limit = c, limit

    def policy(self, params: Any, z: Any, noise: Any) -> Any:
        """Return inputs within [-1, 1]; zero noise gives the middle of the distribution."""
        mean, log_std = jnp.split(apply_mlp(params, z), 2, axis=-1)
        return jnp.tanh(mean + jnp.exp(jnp.clip(log_std, -20.0, 2.0)) * noise)

    def losses(
        self, online: Any, target: Any, rows: Rows, multiplier: Any, key: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return the sum of all losses and figures; each network gets the gradient of its own loss only."""
        c, stop = self.c, jax.lax.stop_gradient
        keys = jax.random.split(key, 4)
        m = rows.a.shape[-1]
        next_a = stop(self.policy(online["actor"], rows.after, jax.random.normal(keys[0], rows.a.shape)))
        later_cost = apply_critics(target["cost"], rows.after, next_a).max(axis=0)
        later = apply_critics(target["reward"], rows.after, next_a).min(axis=0)
        live = rows.discount * (1.0 - rows.terminal)
        cost_goal = rows.cost + live * later_cost
        reward_goal = rows.reward + live * (later_cost <= self.limit) * later
        drawn = stop(
            self.policy(
                online["actor"], rows.z[None], jax.random.normal(keys[1], (c.samples, *rows.z.shape[:1], m))
            )
        )
        z = jnp.broadcast_to(rows.z, (c.samples, *rows.z.shape))
        strange = stop(divergence(*encode(online["cvae"], z, drawn)))
        usual = stop(jnp.quantile(divergence(*encode(online["cvae"], rows.z, rows.a)), c.support))
        outside = (strange > usual).astype(rows.z.dtype)
        judged = apply_critics(online["cost"], z, drawn).mean(axis=0)
        target_cost = c.cost_scale * self.limit
        pushed = (outside * jnp.minimum(judged, target_cost)).sum() / (outside.sum() + 1e-8)
        a = self.policy(online["actor"], rows.z, jax.random.normal(keys[2], rows.a.shape))
        own_cost = apply_critics(stop(online["cost"]), rows.z, a).max(axis=0)
        allowed = own_cost <= self.limit
        gain = apply_critics(stop(online["reward"]), rows.z, a).min(axis=0)
        errors = {
            "cvae": cvae_loss(online["cvae"], rows.z, rows.a, keys[3], c.kl_weight),
            "reward": ((apply_critics(online["reward"], rows.z, rows.a) - reward_goal) ** 2).mean(),
            "cost": ((apply_critics(online["cost"], rows.z, rows.a) - cost_goal) ** 2).mean(),
            "push": -multiplier * (1.0 - c.gamma) * pushed,  # as if costs were not scaled
            "actor": jnp.where(allowed, -gain, c.recovery * own_cost).mean(),
        }
        figures = {**errors, "pushed": pushed, "outside": outside.mean(), "allowed": allowed.mean()}
        return sum(errors.values()), {name: stop(figure) for name, figure in figures.items()}


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn a policy from `data`; see the module, and `learner.Learner` for the arguments."""
    c = _checked(config)
    rows, scaling = replay(data, c.gamma, c.backup, least_reward=0.0)
    limit = discounted_share(c.cost_limit, c.episode or longest_recording(data), c.gamma)
    networks = _Networks(c, limit)
    n, m = len(data.state), len(data.input)
    keys = jax.random.split(jax.random.key(seed), 4)
    online = {
        "actor": init_mlp(keys[0], (n, *c.hidden, 2 * m), last=0.1),
        "reward": init_ensemble(keys[1], c.critics, (n + m, *c.hidden, 1), last=0.01),
        "cost": init_ensemble(keys[2], c.critics, (n + m, *c.hidden, 1), last=0.01),
        "cvae": init_cvae(keys[3], n, m, c.hidden),
    }
    target = {name: online[name] for name in ("reward", "cost")}
    rates: Any = {name: optax.adam(c.actor_rate if name == "actor" else c.critic_rate) for name in online}
    optimiser = optax.multi_transform(rates, {name: name for name in online})
    off = c.first_multiplier <= 0.0
    state: Any = {
        "online": online,
        "target": target,
        "memory": optimiser.init(online),
        "log_multiplier": jnp.asarray(0.0 if off else np.log(c.first_multiplier), dtype=jnp.float32),
    }

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        rows_key, noise_key = jax.random.split(key)
        batch = rows.draw(rows_key, c.batch)
        multiplier = 0.0 if off else jnp.exp(state["log_multiplier"])
        gradient, figures = jax.grad(networks.losses, has_aux=True)(
            state["online"], state["target"], batch, multiplier, noise_key
        )
        online, memory = descend(optimiser, state["online"], gradient, state["memory"])
        moved = {name: online[name] for name in state["target"]}
        missing = (c.cost_scale * limit - figures["pushed"]) / (1.0 - c.gamma)
        grown = jnp.clip(state["log_multiplier"] + c.multiplier_rate * multiplier * missing, -5.0, 5.0)
        state = {
            "online": online,
            "target": polyak(state["target"], moved, c.polyak),
            "memory": memory,
            "log_multiplier": grown,
        }
        return state, {**figures, "multiplier": jnp.asarray(multiplier)}

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    middle = jax.jit(lambda z: networks.policy(state["online"]["actor"], z, jnp.zeros((z.shape[0], m))))
    judge = jax.jit(lambda z, a: apply_critics(state["online"]["cost"], z, a).max(axis=0))

    def policy(x: Array) -> Array:
        return scaling.unscaled_input(middle(scaling.state(x)))

    def value(x: Array) -> Array:
        z = scaling.state(x)
        return limit - np.asarray(judge(z, middle(z)), dtype=np.float64)

    return Learned("cpq", asdict(c), value=value, policy=policy, log=log)


def _checked(config: Mapping[str, Any]) -> CpqConfig:
    c = config_from(CpqConfig, config, "cpq")
    for name in ("steps", "batch", "critics", "backup", "polyak", "actor_rate", "critic_rate", "samples"):
        if getattr(c, name) <= 0:
            raise ConfigError(f"cpq: {name} must be positive, got {getattr(c, name)}")
    if c.cost_limit < 0.0 or not 0.0 <= c.gamma < 1.0:
        raise ConfigError(
            f"cpq: cost_limit {c.cost_limit} and gamma {c.gamma}; allowed: 0 <= cost_limit, 0 <= gamma < 1"
        )
    return c
